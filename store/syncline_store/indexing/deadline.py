"""A handler must not write long after it read: an old revision could return after a purge (H14)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from syncline_contracts.errors import IndexUnavailable
from syncline_contracts.revision import Clock

LEAST = 5_000_000
"""µs that a batch is given however short the tombstones' grace is."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when a round may write. Told by the wall clock too: a process that was frozen finds its timer late."""

    clock: Clock
    until: int

    def check(self) -> None:
        """Call it before each write. Raises IndexUnavailable: nothing is acknowledged, all is read again."""
        if self.clock.now() > self.until:
            raise IndexUnavailable("indexing this batch took longer than its deadline; it is read again and tried again")


@asynccontextmanager
async def deadline(clock: Clock, allowed: int) -> AsyncIterator[Deadline]:
    """Bound what is done inside to `allowed` µs. Raises IndexUnavailable."""
    try:
        async with asyncio.timeout(allowed / 1e6):
            yield Deadline(clock, clock.now() + allowed)
    except TimeoutError as error:
        raise IndexUnavailable(f"indexing a batch took longer than {allowed / 1e6:.0f} s; it is tried again") from error


def allowed(wanted: float, tombstone_grace: int) -> int:
    """µs: the setting (seconds), but at most half of the grace after which tombstones and expired points are purged."""
    return min(int(wanted * 1e6), max(tombstone_grace // 2, LEAST))
