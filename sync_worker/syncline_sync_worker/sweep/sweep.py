"""What has outlived its grace is removed: expired points and old tombstones in the index, expired rows where no TTL does it."""

import asyncio
from dataclasses import dataclass

import structlog

from syncline_contracts.errors import Unavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine
from syncline_store.index import Index
from syncline_sync_worker.dead_letters.replay import DeadLetterDesk
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.transport.backoff import wait_for

log = structlog.get_logger(__name__)

MOST_LETTERS = 2_000
"""Open dead letters that are counted; beyond, their number says that much and no more."""


@dataclass(frozen=True, slots=True)
class Swept:
    """How many were removed: points from the index, rows and outbox rows from the storage."""

    points: int
    rows: int


class Sweep:
    """Sweeps the storage and every index that is written.

    `grace` (µs) is that of tombstones: an expired point stays known as long, so that a late older version cannot return (H7).
    """

    def __init__(self, engine: Engine, *indexes: Index, clock: Clock, grace: int, metrics: Metrics | None = None) -> None:
        self._engine = engine
        self._indexes = indexes
        self._clock = clock
        self._grace = grace
        self._metrics = metrics or Metrics()

    async def once(self) -> Swept:
        """Sweep both sides. Raises Unavailable; what was removed stays removed, the rest waits for the next sweep."""
        now = self._clock.now()
        swept = Swept(points=sum([await index.purge(now, self._grace) for index in self._indexes]), rows=await self._engine.expire(now))
        self._metrics.swept(points=swept.points, rows=swept.rows)
        return swept

    async def run(self, stop: asyncio.Event, *, every: float = 60.0) -> None:
        """Sweep each `every` seconds until the stop. An outage is waited out."""
        while not await wait_for(stop, every):
            try:
                swept = await self.once()
                await self._look_at_letters()
            except Unavailable as error:
                log.warning("cannot sweep now; trying again later", error=str(error))
                continue
            if swept.points or swept.rows:
                log.info("swept", points=swept.points, rows=swept.rows)

    async def _look_at_letters(self) -> None:
        """A sweep's pace is right for it, too: how many dead letters an operator has left lying, and how long."""
        found = await DeadLetterDesk(self._engine).summary(most=MOST_LETTERS)
        self._metrics.oldest_letter(found.oldest)
        self._metrics.open_letters(found.by_error)
