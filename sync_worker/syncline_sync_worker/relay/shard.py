"""One leased shard: hot reads of what is new, sweeps of the overlaps, held intents, and the mark behind them."""

import asyncio
from collections.abc import Sequence

import structlog

from syncline_contracts.errors import TransportUnavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Outbox, OutboxRow, Pos
from syncline_store.indexing.intents import Intents
from syncline_store.indexing.pages import begin, low_water_mark
from syncline_store.tracing import batch_span
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.relay.lease import HeldLease
from syncline_sync_worker.relay.published import Published
from syncline_sync_worker.relay.reading import Page, Reader
from syncline_sync_worker.relay.settings import RelaySettings
from syncline_sync_worker.relay.window import Overlap, Pass, Window
from syncline_sync_worker.transport.protocol import Publisher

log = structlog.get_logger(__name__)

IDLE_CHECKPOINT = 60_000_000
"""µs between two checkpoints while nothing is published."""


class LeasedShard:
    """Driven by `step`, by one task at a time. All that it decides, it decides by the clock it was given.

    A row is remembered as published, the cursor and a sweep move on, only after the publisher acknowledged: whatever fails
    in between comes again (architecture, invariants 1 and 6). Rows placed in the future wait until their time has come.

    While a page of a backlog is being published, the next one is read. That is a hot read like any other, only earlier: what
    surfaces behind it is the sweeps' to find.
    """

    def __init__(
        self, outbox: Outbox, publisher: Publisher, lease: HeldLease, *, clock: Clock, settings: RelaySettings, metrics: Metrics
    ) -> None:
        now = clock.now()
        self._reader = Reader(outbox, lease.shard, limit=settings.page)
        self._publisher = publisher
        self.lease = lease
        self._clock = clock
        self._metrics = metrics
        self._cursor = begin(lease.lease, now, _us(settings.outbox_life))
        self._window = window(now, self._cursor.at, outbox.lateness, settings)
        self._published = Published(self._window.floor, at_most=settings.remember)
        self._intents = Intents(grace=_us(settings.intent_grace))
        self._ahead: Page | None = None
        self._sweep: Pass | None = None
        self._behind = True
        self._hot_overlap = min(_us(settings.hot_overlap), outbox.lateness)
        self._checkpoint_every = _us(settings.checkpoint_every)
        self._checked = now
        self._newest = self._cursor

    @property
    def busy(self) -> bool:
        """There is more to read at once."""
        return self._behind or self._sweep is not None

    @property
    def overlap(self) -> int:
        """After this many µs no row of now can surface late any more."""
        return self._window.reach

    @property
    def mark(self) -> Pos:
        """Where a successor could begin now."""
        return low_water_mark(self._window.swept, self._window.reach, self._cursor, self._intents.oldest)

    async def step(self) -> int:
        """A page of what is new, a page of a sweep that is due, the intents whose grace has passed, the mark when it is time.

        Gives the number of rows published. Raises Unavailable: nothing is lost, call again later.
        """
        published = await self._read_new()
        published += await self._sweep_on()
        published += await self._publish(self._intents.due(self._clock.now()))
        await self._checkpoint_when_due()
        return published

    async def drain(self) -> int:
        """Publish all that is there now, sweep, and checkpoint. Gives the number of rows published. Raises Unavailable."""
        published, until = 0, self._clock.now()
        while self._cursor.at < until or self._sweep is not None:
            published += await self.step()
        published += await self._read_new()  # publishing took its time: the sweep, and so the mark, reach up to now
        self._sweep = self._window.long_sweep(self._cursor)
        while self._sweep is not None:
            published += await self._sweep_on()
        published += await self._publish(self._intents.due(self._clock.now()))
        await self.checkpoint()
        return published

    async def checkpoint(self) -> bool:
        """Write the mark down. False where the lease was lost: the mark is another's now. Raises StorageUnavailable."""
        self._checked = self._clock.now()
        kept = await self.lease.checkpoint(self.mark)
        self._metrics.mark(self.lease.shard, self.mark.at)
        return kept

    async def _read_new(self) -> int:
        until = Pos(self._clock.now())
        if until <= self._cursor:
            self._behind = False
            return 0
        ahead, self._ahead = self._ahead, None
        page = ahead or await self._read_from(self._cursor, until)
        next_ = asyncio.create_task(self._reader.read(page.end, until)) if page.full else None
        try:
            rows = self._unpublished(page.rows)
            published = await self._publish(self._intents.sift(rows))
            self._note_late([row for row in rows if row.pos <= self._cursor])
            self._behind, self._cursor = page.full, page.end
            self._metrics.lag(self.lease.shard, self._cursor.at)
            self._ahead = await next_ if next_ else None
        finally:
            if next_ is not None:
                next_.cancel()
                await asyncio.gather(next_, return_exceptions=True)
        return published

    async def _read_from(self, cursor: Pos, until: Pos) -> Page:
        """What is new and, unless that is a backlog, a little of what was read before it: most late rows are late by one write."""
        if not self._behind:
            after = max(cursor.at - self._hot_overlap, self._window.floor)
            page = await self._reader.unknown(min(Pos(after), cursor), until, self._knows)
            if not page.full:
                return page
        return await self._reader.read(cursor, until)

    async def _sweep_on(self) -> int:
        sweep = self._sweep = self._sweep or self._window.due(self._clock.now(), self._cursor)
        if sweep is None:
            return 0
        page = await self._reader.unknown(sweep.after, sweep.until, self._knows)
        late = self._unpublished(page.rows)
        published = await self._publish(self._intents.sift(late))
        self._note_late(late)
        sweep.after = page.end
        if not page.full:
            self._window.completed(sweep)
            self._published.forget(self._window.floor)
            self._sweep = None
        return published

    def _unpublished(self, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        return [row for row in rows if not self._knows(row.pos)]

    def _knows(self, pos: Pos) -> bool:
        """Published, or an intent that waits."""
        return pos in self._published or self._intents.holds(pos)

    async def _publish(self, rows: Sequence[OutboxRow]) -> int:
        if not rows:
            return 0
        if not self.lease.alive:
            raise TransportUnavailable(f"the lease of shard {self.lease.shard} was lost: its events are another relay's")
        with batch_span("syncline.publish", [row.event for row in rows], shard=self.lease.shard):
            await self._publisher.publish(rows)
        self._published.add(row.pos for row in rows)
        self._published.add(self._intents.published(rows))
        self._metrics.published(self.lease.shard, len(rows))
        self._newest = max(self._newest, rows[-1].pos)
        return len(rows)

    def _note_late(self, rows: Sequence[OutboxRow]) -> None:
        now = self._clock.now()
        for row in rows:
            if row.pos.at < self._published.since:
                continue  # forgotten by now: it was no later than the others
            self._metrics.late(now - row.pos.at)
            if self._window.widen_for(row.pos):
                log.warning("rows surface near the end of the overlap: it is widened", shard=row.shard, seconds=self._window.reach / 1e6)

    async def _checkpoint_when_due(self) -> None:
        """Once the mark is past all that was published, one a minute will do: an idle relay leaves the disk alone."""
        idle = self.lease.mark is not None and self.lease.mark >= self._newest
        every = max(self._checkpoint_every, IDLE_CHECKPOINT) if idle else self._checkpoint_every
        if self._clock.now() - self._checked >= every:
            await self.checkpoint()


def window(now: int, mark: int, lateness: int, settings: RelaySettings) -> Window:
    """The overlaps that are asked for, no further back than rows of this outbox can be late."""
    short = Overlap(min(_us(settings.short_overlap), lateness), _us(settings.short_every))
    long = Overlap(min(_us(settings.long_overlap), lateness), _us(settings.long_every))
    return Window(now, mark, short, long, widest=_us(settings.widest_overlap))


def _us(seconds: float) -> int:
    return int(seconds * 1e6)
