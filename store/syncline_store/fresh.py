"""What this process wrote and the index may not hold yet, where relay and worker index: a search waits for it, within a deadline."""

import logging
from collections import OrderedDict

from syncline_contracts.identity import Namespace, Ref
from syncline_store.parts import Parts
from syncline_store.pauses import Pauses

AT_MOST = 1_000
"""Writes that are remembered; the oldest are forgotten, most likely indexed by then."""
FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.25
"""Seconds between two looks."""

_log = logging.getLogger(__name__)


class Unindexed:
    """Remembers writes until a search has waited for them. Does nothing where a put returns once the index has it."""

    def __init__(self, parts: Parts, deadline: float) -> None:
        """`deadline`: seconds that a search waits."""
        self._parts = parts
        self._deadline = deadline
        self._written: OrderedDict[Ref, int] = OrderedDict()

    def note(self, ref: Ref, revision: int) -> None:
        """Sync. A document that is to be indexed was written."""
        if not self._parts.settings.inline:
            self._written[ref] = revision
            self._written.move_to_end(ref)
            if len(self._written) > AT_MOST:
                self._written.popitem(last=False)

    async def wait(self, prefix: Namespace) -> None:
        """Return once the index holds what was written at and below the prefix; after the deadline anyway, which is logged.

        What was waited for is forgotten: a document that cannot be indexed delays one search. Raises IndexUnavailable.
        """
        waiting = {ref: revision for ref, revision in self._written.items() if ref.namespace[: len(prefix)] == prefix}
        pauses = Pauses(FIRST_PAUSE, LONGEST_PAUSE, self._deadline)
        while waiting and (waiting := await self._missing(waiting)):
            if not await pauses.pause():
                _log.warning("searching without %d documents that are not indexed after %g s", len(waiting), self._deadline)
                self._forget(waiting)
                return

    async def _missing(self, waiting: dict[Ref, int]) -> dict[Ref, int]:
        points = await (await self._parts.index()).points([ref.document for ref in waiting])
        held = {document: max((point.revision for point in found if point.passage == 0), default=0) for document, found in points.items()}
        missing = {ref: revision for ref, revision in waiting.items() if held[ref.document] < revision}
        self._forget({ref: revision for ref, revision in waiting.items() if ref not in missing})
        return missing

    def _forget(self, writes: dict[Ref, int]) -> None:
        for ref, revision in writes.items():
            if self._written.get(ref) == revision:
                del self._written[ref]
