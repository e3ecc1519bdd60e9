"""So many a second, and no more: a replay of many must not push aside what is written meanwhile."""

import asyncio

from syncline_sync_worker.transport.backoff import wait_for

BATCH = 64
"""Letters that are held at once: each keeps its bytes, a megabyte at most."""


class Pace:
    """`rate` letters a second; None: as fast as it goes. Counts from its first use."""

    def __init__(self, rate: float | None = None) -> None:
        self._rate = rate
        self._began: float | None = None
        self._done = 0

    @property
    def batch(self) -> int:
        """How many to take at once: a second's worth at most."""
        return BATCH if self._rate is None else max(1, min(BATCH, int(self._rate)))

    async def keep(self, done: int, stop: asyncio.Event) -> bool:
        """So many more are done: wait until the next may begin, or the stop. Whether it is time to stop."""
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = now
        self._done += done
        ahead = 0.0 if self._rate is None else self._began + self._done / self._rate - now
        return await wait_for(stop, ahead) if ahead > 0 else stop.is_set()
