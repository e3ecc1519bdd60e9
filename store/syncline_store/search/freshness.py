"""Read your writes: wait until the index holds what was written."""

from syncline_contracts.errors import NotYetIndexed
from syncline_contracts.identity import Ref
from syncline_store.index.index import Index
from syncline_store.pauses import Pauses

FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.5
"""Seconds between two looks."""


async def wait_until_indexed(index: Index, ref: Ref, revision: int, timeout: float) -> None:  # noqa: ASYNC109 - part of the public face
    """Return once the document's head is at this revision or a later one. Raises NotYetIndexed when `timeout` seconds are over."""
    pauses = Pauses(FIRST_PAUSE, LONGEST_PAUSE, timeout)
    while True:
        points = (await index.points([ref.document]))[ref.document]
        if any(point.passage == 0 and point.revision >= revision for point in points):
            return
        if not await pauses.pause():
            raise NotYetIndexed(ref, revision, f"not within {timeout:g} s: do relay and worker run, is it among the dead letters?")
