"""Inline indexing: a put returns once the index has it, and what went wrong is made good by the catch-up.

Puts that arrive while a batch is being indexed go together into the next.
"""

from collections.abc import Sequence
from typing import assert_never

from syncline_contracts.errors import ConfigurationError, NotYetIndexed, Unavailable
from syncline_store.document import Write
from syncline_store.group_commit import GroupCommit
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.one_at_a_time import OneAtATime
from syncline_store.indexing.outcome import Buried, Deferred, Handled, Outcome
from syncline_store.parts import Parts
from syncline_store.upkeep import Upkeep

SOURCE = "inline"


class InlineIndexing:
    """Brings each write into the index before it returns."""

    def __init__(self, parts: Parts) -> None:
        self.upkeep = Upkeep(parts)
        group = parts.settings.inline_indexing
        self._batches: GroupCommit[Write, Outcome] = GroupCommit(
            self._index, max_items=group.max_items, max_bytes=group.max_bytes, size_of=lambda write: len(write.value or "") + 1
        )

    async def open(self) -> None:
        """Open the index, before anything is written: what is configured wrongly is refused then (IndexMismatch, IndexLocked).

        An index that does not answer now is no reason to refuse a write.
        """
        try:
            await self.start()
        except Unavailable:
            return

    async def index(self, write: Write) -> None:
        """Returns once the index has this state or a later one. Raises NotYetIndexed."""
        try:
            outcome = await self._batches.submit(write)
        except (Unavailable, ConfigurationError) as error:
            raise self._later(write, str(error)) from error
        match outcome:
            case Handled():
                return
            case Buried(message=message):
                raise NotYetIndexed(write.ref, write.revision, f"{message} (it is among the dead letters: mend the document or replay it)")
            case Deferred():
                raise self._later(write, "its row cannot be read yet")
            case _:
                assert_never(outcome)

    async def start(self) -> OneAtATime:
        """Open the index; the upkeep begins with that. Raises what opening the index does."""
        return await self.upkeep.start()

    async def aclose(self) -> None:
        """Finish what was submitted, then end the upkeep."""
        await self._batches.aclose()
        await self.upkeep.aclose()

    def _later(self, write: Write, why: str) -> NotYetIndexed:
        self.upkeep.poke()
        return NotYetIndexed(write.ref, write.revision, f"{why}; the catch-up takes it up again")

    async def _index(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Writes of one document share an outcome: the indexer looks at what the source says now."""
        indexer = await self.start()
        return await indexer.index([Delivery(write.event, SOURCE) for write in writes])
