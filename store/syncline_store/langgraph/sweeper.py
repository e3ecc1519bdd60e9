"""Sweeping at an interval, as long as the app wants it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from syncline_contracts.errors import Unavailable

_log = logging.getLogger(__name__)


class Sweeper:
    """Owns the task that sweeps; `stop` awaits its end."""

    def __init__(self, sweep: Callable[[], Awaitable[int]]) -> None:
        self._sweep = sweep
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, interval: float) -> asyncio.Task[None]:
        """Sweep every `interval` seconds; the task that does, which is the running one if there is one."""
        if self._task is None or self._task.done():
            self._stopped.clear()
            self._task = asyncio.create_task(self._run(interval), name="syncline-ttl-sweeper")
        return self._task

    async def stop(self, patience: float | None = None) -> bool:
        """End it, waiting `patience` seconds at most; whether it has ended."""
        if self._task is None:
            return True
        self._stopped.set()
        done, _ = await asyncio.wait([self._task], timeout=patience)
        return bool(done)

    async def aclose(self) -> None:
        """End it now."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, interval: float) -> None:
        while not await self._is_stopped(interval):
            try:
                swept = await self._sweep()
            except Unavailable as error:
                _log.warning("cannot sweep now, trying again later: %s", error)
            else:
                _log.debug("swept %d", swept)

    async def _is_stopped(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stopped.wait()
        except TimeoutError:
            return False
