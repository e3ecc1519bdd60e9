"""Read your writes: wait until the index holds what was written."""

from collections.abc import Mapping

from syncline_contracts.errors import NotYetIndexed
from syncline_contracts.identity import Ref
from syncline_store.index.index import Index
from syncline_store.pauses import Pauses

FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.5
"""Seconds between two looks."""


async def wait_until_indexed(index: Index, ref: Ref, revision: int, timeout: float) -> None:  # noqa: ASYNC109 - part of the public face
    """Return once the document's head is at this revision or a later one. Raises NotYetIndexed when `timeout` seconds are over."""
    await wait_until_all_indexed(index, {ref: revision}, timeout)


async def wait_until_all_indexed(index: Index, wanted: Mapping[Ref, int], timeout: float) -> None:  # noqa: ASYNC109 - as above
    """The same for several documents; NotYetIndexed names one that is missing."""
    pauses = Pauses(FIRST_PAUSE, LONGEST_PAUSE, timeout)
    missing = dict(wanted)
    while True:
        points = await index.points([ref.document for ref in missing])
        heads = {document: max((point.revision for point in found if point.passage == 0), default=-1) for document, found in points.items()}
        missing = {ref: revision for ref, revision in missing.items() if heads[ref.document] < revision}
        if not missing:
            return
        if not await pauses.pause():
            ref, revision = next(iter(missing.items()))
            raise NotYetIndexed(ref, revision, f"not within {timeout:g} s: do relay and worker run, is it among the dead letters?")
