"""Catch-up: what inline indexing left behind is read from the outbox and indexed, under the shards' leases."""

import asyncio
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from syncline_contracts.errors import StorageUnavailable, Unavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine, Lease, OutboxRow, Pos
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.intents import Intents
from syncline_store.indexing.outcome import Outcome
from syncline_store.indexing.pages import begin, low_water_mark, pages

PAGE = 256
LEASE_LIFE = 30_000_000
FIRST_RETRY = 1.0
LOCAL_OWNER = "local-catch-up"
"""Who holds the leases beside a local index: its lock says that an earlier holder of this name is gone, so nobody waits for it."""


class Indexes(Protocol):
    """The one method of the indexer that is called here."""

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """Bring the deliveries' documents in step. Raises Unavailable when a part is out."""


class CatchUp:
    """Makes good what a crash or an outage left between a put's commit and its indexing (architecture, invariant 1).

    A put that indexes inline leaves its outbox row unread; a pass reads the rows from the mark on and indexes them (what is
    there already is skipped), then moves the mark by the relay's rule. A pass is due when the store opens, after `poke`, and
    every `interval` seconds; a shard without rows behind its mark is not even leased. Where another process holds a shard's
    lease, the pass leaves it.
    """

    def __init__(self, engine: Engine, indexer: Indexes, *, clock: Clock, interval: float = 60.0, owner: str | None = None) -> None:
        self._engine = engine
        self._indexer = indexer
        self._clock = clock
        self._interval = interval
        self._owner = owner or f"catch-up:{os.getpid()}:{secrets.token_hex(4)}"
        self._one_pass = asyncio.Lock()
        self._poked = asyncio.Event()
        self._stop = asyncio.Event()
        self._refused = False

    def poke(self) -> None:
        """Something was left behind: make a pass soon."""
        self._poked.set()

    async def once(self) -> int:
        """One pass over all shards; how many events were handled. Raises Unavailable: the mark waits, call again."""
        async with self._one_pass:
            self._refused = False
            self._poked.clear()
            marks = await self._engine.leases.marks()
            return sum([await self._shard(shard, marks.get(shard)) for shard in range(self._engine.outbox.shards)])

    async def run(self, stop: asyncio.Event) -> None:
        """A pass now, then whenever one is due, until the stop, which ends a pass at its next page. Outages are waited out."""
        self._stop = stop
        retry = FIRST_RETRY
        while not stop.is_set():
            try:
                await self.once()
                retry = FIRST_RETRY
                wait = min(self._interval, LEASE_LIFE / 1e6) if self._refused else self._interval
                await _either(stop, self._poked, wait)
            except Unavailable as error:
                await _either(stop, None, max(retry, error.retry_after or 0.0))
                retry = min(retry * 2, self._interval)

    async def _shard(self, shard: int, mark: Pos | None) -> int:
        if mark is not None and not await self._engine.outbox.read(shard, mark, Pos(self._clock.now()), 1):
            return 0
        lease = await self._engine.leases.acquire(shard, self._owner, LEASE_LIFE)
        if lease is None:
            self._refused = True
            return 0
        try:
            return await self._pass(lease)
        finally:
            with suppress(StorageUnavailable):  # it runs out by itself
                await self._engine.leases.release(lease)

    async def _pass(self, lease: Lease) -> int:
        """Index the rows up to now. The mark follows page by page, so that a long pass that fails is not done again as a whole."""
        outbox, start, intents, handled = self._engine.outbox, self._clock.now(), Intents(), 0
        async for rows in pages(outbox, lease.shard, begin(lease, start), Pos(start), PAGE):
            handled += await self._index(intents.sift(rows), intents)
            mark = low_water_mark(start, outbox.lateness, rows[-1].pos, intents.oldest)
            prolonged = await self._move(lease, mark)
            if prolonged is None or self._stop.is_set():
                return handled
            lease = prolonged
        handled += await self._index(intents.due(start), intents)
        await self._move(lease, low_water_mark(start, outbox.lateness, Pos(start), intents.oldest))
        return handled

    async def _index(self, rows: Sequence[OutboxRow], intents: Intents) -> int:
        if rows:
            await self._indexer.index([_delivery(row) for row in rows])
            intents.published(rows)
        return len(rows)

    async def _move(self, lease: Lease, mark: Pos) -> Lease | None:
        """Checkpoint, and prolong the lease; None once it is another's."""
        if not await self._engine.leases.checkpoint(lease, mark):
            return None
        return await self._engine.leases.renew(lease, LEASE_LIFE)


def _delivery(row: OutboxRow) -> Delivery:
    return Delivery(event=row.event, source=f"outbox/{row.shard}/{row.pos}", body=None, headers={})


async def _either(stop: asyncio.Event, poked: asyncio.Event | None, seconds: float) -> None:
    """Wait that long at most, or until one of the two is set."""
    waits = [asyncio.create_task(event.wait()) for event in (stop, poked) if event is not None]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
