"""No faster than asked: a walk beside a busy store leaves it its breath."""

import time
from collections.abc import Awaitable, Callable

PAUSE = 5.0
"""Seconds that one range should last at most, so that a slow pace is an even one."""


class Pace:
    """So many documents a second, None for as fast as it goes. One walk's."""

    def __init__(self, rate: float | None, sleep: Callable[[float], Awaitable[object]]) -> None:
        self._rate = rate
        self._sleep = sleep
        self._due = time.monotonic()

    def per_range(self, most: int) -> int:
        """How many documents a range should hold."""
        return most if self._rate is None else max(1, min(most, int(self._rate * PAUSE)))

    async def after(self, documents: int) -> None:
        """Wait until so many more may have been read. What a slow range lost is not caught up."""
        if self._rate is None:
            return
        self._due = max(self._due + documents / self._rate, time.monotonic())
        wait = self._due - time.monotonic()
        if wait > 0:
            await self._sleep(wait)
