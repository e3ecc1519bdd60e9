"""Inline indexing: a put returns once the index has it, and what went wrong is made good by the catch-up.

Puts that arrive while a batch is being indexed go together into the next.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

from syncline_contracts.errors import ConfigurationError, NotYetIndexed, Unavailable
from syncline_store.document import Write
from syncline_store.group_commit import GroupCommit
from syncline_store.indexing.catch_up import LOCAL_OWNER, CatchUp
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Buried, Deferred, Handled, Outcome
from syncline_store.parts import Parts

if TYPE_CHECKING:
    from syncline_store.indexing.indexer import Indexer

SOURCE = "inline"
PATIENCE = 5.0
"""Seconds that closing waits for a pass of the catch-up to end by itself."""

_log = logging.getLogger(__name__)


class InlineIndexing:
    """Brings each write into the index before it returns. Owns the catch-up and waits for it when closed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        group = parts.settings.inline_indexing
        self._batches: GroupCommit[Write, Outcome] = GroupCommit(
            self._index, max_items=group.max_items, max_bytes=group.max_bytes, size_of=lambda write: len(write.value or "") + 1
        )
        self._stop = asyncio.Event()
        self._catch_up: CatchUp | None = None
        self._running: asyncio.Task[None] | None = None

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

    def poke(self) -> None:
        """Something was left in the outbox: the catch-up, once it runs, looks soon."""
        if self._catch_up is not None:
            self._catch_up.poke()

    async def catch_up(self) -> int:
        """One pass of the catch-up now; how many events it handled. Raises Unavailable."""
        await self.start()
        return 0 if self._catch_up is None else await self._catch_up.once()

    async def aclose(self) -> None:
        """Finish what was submitted, then end the catch-up: a long pass is broken off, and taken up where the store opens next."""
        await self._batches.aclose()
        self._stop.set()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=PATIENCE)
            self._running.cancel()
            await asyncio.wait([self._running])
            _tell(self._running)

    def _later(self, write: Write, why: str) -> NotYetIndexed:
        self.poke()
        return NotYetIndexed(write.ref, write.revision, f"{why}; the catch-up takes it up again")

    async def start(self) -> "Indexer":
        """Open the index, and run the catch-up from then on. Raises what opening the index does."""
        indexer = await self._parts.indexer()
        if self._running is None or self._running.done():
            _tell(self._running)
            settings = self._parts.settings
            owner = LOCAL_OWNER if settings.local_index else None
            self._catch_up = CatchUp(self._parts.engine, indexer, clock=self._parts.clock, interval=settings.catch_up_interval, owner=owner)
            self._running = asyncio.create_task(self._catch_up.run(self._stop), name="syncline-catch-up")
        return indexer

    async def _index(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Writes of one document share an outcome: the indexer looks at what the source says now."""
        indexer = await self.start()
        return await indexer.index([Delivery(write.event, SOURCE) for write in writes])


def _tell(task: asyncio.Task[None] | None) -> None:
    """An end of the catch-up that nobody foresaw is logged: puts index on, and start another."""
    if task is not None and not task.cancelled() and task.exception() is not None:
        _log.error("the catch-up ended by an error", exc_info=task.exception())
