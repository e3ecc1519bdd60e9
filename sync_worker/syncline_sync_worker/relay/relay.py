"""The relay: takes leases of outbox shards and keeps each of them published, until it is told to stop."""

import asyncio
import os
import secrets
import socket
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import structlog

from syncline_contracts.errors import Unavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.relay.lease import RENEWALS, HeldLease
from syncline_sync_worker.relay.settings import RelaySettings
from syncline_sync_worker.relay.shard import LeasedShard
from syncline_sync_worker.transport.backoff import Backoff, wait_for
from syncline_sync_worker.transport.protocol import Publisher

log = structlog.get_logger(__name__)
T = TypeVar("T")

DEFAULTS = RelaySettings()
TAKES = 12
"""Tries of a drain to take a lease, a tenth of its life apart: a dead relay's runs out meanwhile."""


class Relay:
    """One of any number of relays: a shard is published by whoever holds its lease.

    Memory is bounded: for each leased shard one page of rows, `remember` places and the intents of one grace.
    """

    def __init__(
        self,
        engine: Engine,
        publisher: Publisher,
        *,
        clock: Clock,
        settings: RelaySettings = DEFAULTS,
        owner: str | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._clock = clock
        self._settings = settings
        self.owner = owner or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._metrics = metrics or Metrics()
        self._life = int(settings.lease_life * 1e6)
        self._holding = 0

    async def take(self, shard: int) -> LeasedShard | None:
        """The shard, if its lease is free; None while another relay holds it. Raises StorageUnavailable."""
        lease = await HeldLease.take(self._engine.leases, shard, self.owner, clock=self._clock, life=self._life)
        if lease is None:
            return None
        self._metrics.lease(shard, "taken")
        if lease.mark is not None:
            self._metrics.mark(shard, lease.mark.at)
        return LeasedShard(self._engine.outbox, self._publisher, lease, clock=self._clock, settings=self._settings, metrics=self._metrics)

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set; then publish what is there, checkpoint, release the leases and return.

        Outages are waited out. What ends it early is an error that waiting cannot mend (ConfigurationError, a bug).
        """
        await _together(self._run(shard, stop) for shard in range(self._engine.outbox.shards))

    async def drain(self, *, settle: bool = False) -> int:
        """Publish all there is now, checkpoint and release. Gives how many rows were published.

        With `settle`, wait until no row of now can surface late any more, so that the mark passes all of them (a walk then
        counts none as in flight): two seconds for SQLite, minutes for CQL. Shards whose lease another relay holds are
        that relay's to publish; one that a dead relay left is waited for. Raises Unavailable; what was published stays so.
        """
        return sum(await _together(self._drain(shard, settle=settle) for shard in range(self._engine.outbox.shards)))

    async def _run(self, shard: int, stop: asyncio.Event) -> None:
        backoff = self._backoff()
        while not stop.is_set():
            try:
                held = await self._take_if_allowed(shard)
            except Unavailable as error:
                log.warning("cannot take a lease; trying again", shard=shard, error=str(error))
                self._metrics.stuck(error)
                await wait_for(stop, backoff.next(error.retry_after))
                continue
            backoff.reset()
            if held is None:
                await wait_for(stop, self._settings.lease_life / RENEWALS)
            else:
                await self._hold(held, stop)

    async def _take_if_allowed(self, shard: int) -> LeasedShard | None:
        most = self._settings.shards_at_most
        if most is not None and self._holding >= most:
            return None
        self._holding += 1
        held = None
        try:
            held = await self.take(shard)
        finally:
            self._holding -= held is None
        return held

    async def _hold(self, held: LeasedShard, stop: asyncio.Event) -> None:
        """Publish the shard until the stop or the loss of its lease, whichever comes first."""
        work = asyncio.create_task(self._publish_until(stop, held))
        keep = asyncio.create_task(held.lease.keep())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, keep, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not keep.done():
                await asyncio.wait({work, keep}, timeout=self._settings.stop_within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(work, keep, stopping)
            self._holding -= 1
            await self._let_go(held)
        for ended in (work, keep):
            if not ended.cancelled():
                ended.result()  # a bug in either is not to be lost

    async def _let_go(self, held: LeasedShard) -> None:
        self._metrics.lease(held.lease.shard, "released" if held.lease.alive else "lost")
        await held.lease.release()

    async def _publish_until(self, stop: asyncio.Event, held: LeasedShard) -> None:
        backoff, idle = self._backoff(), self._settings.hot_interval
        while held.lease.alive and not stop.is_set():
            try:
                published = await held.step()
            except Unavailable as error:
                log.warning("cannot publish; the mark waits", shard=held.lease.shard, error=str(error))
                self._metrics.stuck(error)
                await wait_for(stop, backoff.next(error.retry_after))
                continue
            backoff.reset()
            if not held.busy:
                idle = self._settings.hot_interval if published else min(idle * 1.5, self._settings.idle_interval)
                await wait_for(stop, idle)
        if held.lease.alive:
            await self._last_round(held)

    async def _last_round(self, held: LeasedShard) -> None:
        try:
            await held.drain()
        except Unavailable as error:
            log.warning("stopping with unpublished rows; they stay in the outbox", shard=held.lease.shard, error=str(error))

    async def _drain(self, shard: int, *, settle: bool) -> int:
        held = await self._take_patiently(shard)
        if held is None:
            log.info("another relay holds this shard", shard=shard)
            return 0
        keep = asyncio.create_task(held.lease.keep())
        try:
            published = await held.drain()
            if settle:
                await asyncio.sleep(held.overlap / 1e6)
                published += await held.drain()
        finally:
            await _cancel(keep)
            await self._let_go(held)
        return published

    async def _take_patiently(self, shard: int) -> LeasedShard | None:
        """A dead relay's lease runs out within its life; one that lives longer is a living relay's."""
        for _ in range(TAKES):
            if (held := await self.take(shard)) is not None:
                return held
            await asyncio.sleep(self._settings.lease_life / 10)
        return None

    def _backoff(self) -> Backoff:
        return Backoff(self._settings.first_backoff, self._settings.longest_backoff)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _together(shards: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run them side by side; the first error ends the others and is raised as itself, not in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(shard) for shard in shards]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
