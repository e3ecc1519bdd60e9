"""Pauses between two tries, or two looks, at one thing: each twice as long as the one before."""

import asyncio
import math
import time


class Pauses:
    """Pauses of `first` to `longest` seconds, the last of which ends no later than `within` seconds from now.

    They are not jittered: what many callers of one server wait for is the worker's `Backoff`.
    """

    def __init__(self, first: float, longest: float, within: float = math.inf) -> None:
        self._next = first
        self._longest = longest
        self._until = time.monotonic() + within

    async def pause(self) -> bool:
        """False, at once, when the time is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            return False
        await asyncio.sleep(min(self._next, left))
        self._next = min(2 * self._next, self._longest)
        return True
