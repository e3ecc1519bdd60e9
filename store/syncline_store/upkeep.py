"""What a store that indexes inline does for itself while it is open: the catch-up, and the sweep of what has outlived its grace.

With relay and worker both are theirs.
"""

import asyncio
import contextvars
import logging

from syncline_contracts.errors import Unavailable
from syncline_store.indexing.catch_up import LOCAL_OWNER, CatchUp
from syncline_store.indexing.one_at_a_time import OneAtATime
from syncline_store.parts import Parts

PATIENCE = 5.0
"""Seconds that closing waits for a pass of the catch-up to end by itself."""
FIRST_SWEEP = 10.0
"""Seconds after the index was opened, so that it does not delay the first searches."""

_log = logging.getLogger(__name__)


class Upkeep:
    """Owns the task of both, and waits for it when closed. It begins when the index is first opened."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stop = asyncio.Event()
        self._indexer: OneAtATime | None = None
        self._catch_up: CatchUp | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> OneAtATime:
        """Open the index, and see that the task runs. Raises what opening the index does."""
        opened = await self._parts.indexer()
        indexer = self._indexer = self._indexer or OneAtATime(opened)
        if self._running is None or self._running.done():
            _tell(self._running)
            settings = self._parts.settings
            owner = LOCAL_OWNER if settings.local_index else None
            self._catch_up = CatchUp(self._parts.engine, indexer, clock=self._parts.clock, interval=settings.catch_up_interval, owner=owner)
            # a context of its own: it outlives the trace of the write that happened to start it
            self._running = asyncio.create_task(self._run(self._catch_up), name="syncline-upkeep", context=contextvars.Context())
        return indexer

    def poke(self) -> None:
        """Something was left in the outbox: the catch-up, once it runs, looks soon."""
        if self._catch_up is not None:
            self._catch_up.poke()

    async def catch_up(self) -> int:
        """One pass of the catch-up now; how many events it handled. Raises Unavailable."""
        await self.start()
        return 0 if self._catch_up is None else await self._catch_up.once()

    async def sweep(self) -> int:
        """Remove what has outlived its grace from both sides; how many points and rows there were. Raises Unavailable."""
        return await self._sweep()

    async def aclose(self) -> None:
        """End both: a long pass is broken off, and taken up where the store opens next."""
        self._stop.set()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=PATIENCE)
            self._running.cancel()
            await asyncio.wait([self._running])
            _tell(self._running)

    async def _run(self, catch_up: CatchUp) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(catch_up.run(self._stop), name="syncline-catch-up")
            group.create_task(self._sweeps(), name="syncline-sweep")

    async def _sweeps(self) -> None:
        wait = min(FIRST_SWEEP, self._parts.settings.sweep_interval)
        while not await _is_set(self._stop, wait):
            try:
                await self._sweep()
            except Unavailable as error:
                _log.warning("cannot sweep now, trying again later: %s", error)
            wait = self._parts.settings.sweep_interval

    async def _sweep(self) -> int:
        now = self._parts.clock.now()
        points = sum([await index.purge(now, self._parts.settings.tombstone_grace_us) for index in await self._parts.indexes()])
        return points + await self._parts.engine.expire(now)


async def _is_set(stop: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await stop.wait()
    except TimeoutError:
        return False


def _tell(task: asyncio.Task[None] | None) -> None:
    """An end that nobody foresaw is logged: puts index on, and start another."""
    if task is not None and not task.cancelled() and task.exception() is not None:
        _log.error("the catch-up ended by an error", exc_info=task.exception())
