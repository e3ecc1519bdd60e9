"""Waiting longer after each failure, with jitter, and no longer than until told to stop."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Backoff:
    """Seconds to wait before the next try: random between half and all of a bound that doubles from `first` to `longest`."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._bound = first

    def next(self, retry_after: float | None = None) -> float:
        """The next wait; never shorter than what the failing part itself asked for."""
        wait = random.uniform(self._bound / 2, self._bound)  # noqa: S311 - spreads load, guards no secret
        self._bound = min(self._bound * 2, self._longest)
        return max(wait, retry_after or 0.0)

    def reset(self) -> None:
        """A try succeeded: begin with `first` again."""
        self._bound = self._first


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait that long, or until the event is set. Says whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work gives; None when the stop came first, which cancels it."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
