"""A backlog's next page is read while one is being published: one page ahead and no more, and nothing is lost by it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import StorageUnavailable, TransportUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.engines.sqlite import SqliteEngine, open_sqlite
from syncline_sync_worker.relay import Relay, RelaySettings
from syncline_sync_worker.relay.shard import LeasedShard
from tests.parts.capturing import CapturingPublisher
from tests.parts.clock import MINUTE, ManualClock
from tests.parts.consuming import until

PAGE = 10
COUNT = 35


class Reads:
    """The engine, with its outbox's reads written down, and failing when told."""

    def __init__(self, engine: SqliteEngine) -> None:
        self.leases = engine.leases
        self.outbox = self
        self.shards, self.lateness = 1, engine.outbox.lateness
        self.pages: list[int] = []
        self.failing = False
        self._read = engine.outbox.read
        self.places = engine.outbox.places

    async def read(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[OutboxRow]:
        if self.failing:
            raise StorageUnavailable("away")
        rows = await self._read(shard, after, until, limit)
        self.pages.append(len(rows))
        return rows


@pytest.fixture
async def reads(tmp_path: Path) -> AsyncIterator[Reads]:
    """With a backlog that is older than every overlap."""
    time = ManualClock()
    async with await open_sqlite(str(tmp_path / "outbox.db"), clock=Clock(now=time), shards=1) as engine:
        for number in range(COUNT):
            event = ChangeEvent.of(Ref("t", ("n",), f"{number:02}"), time(), Kind.WRITE, first_at=time())
            await engine.outbox.append([event], time() - 60 * MINUTE + number)
        yield Reads(engine)


async def take(reads: Any, publisher: CapturingPublisher) -> LeasedShard:
    time = ManualClock()
    settings = RelaySettings(page=PAGE, long_every=3600, short_every=3600)
    shard = await Relay(reads, publisher, clock=Clock(now=time), settings=settings).take(0)
    assert shard is not None
    return shard


async def test_the_next_page_is_read_while_one_is_published_and_no_further(reads: Reads) -> None:
    publisher = CapturingPublisher()
    shard = await take(reads, publisher)
    publisher.acknowledging.clear()
    step = asyncio.create_task(shard.step())
    await until(lambda: len(reads.pages) == 2, 5)
    assert (len(publisher.sent), publisher.published) == (PAGE, [])
    for _ in range(10):
        await asyncio.sleep(0)
    assert reads.pages == [PAGE, PAGE]
    publisher.acknowledging.set()
    assert await step == PAGE
    while shard.busy:
        await shard.step()
    assert publisher.keys == [f"{number:02}" for number in range(COUNT)], "each once, in order"
    assert reads.pages == [PAGE, PAGE, PAGE, COUNT % PAGE]


async def test_a_page_that_could_not_be_published_comes_again_before_the_next(reads: Reads) -> None:
    publisher = CapturingPublisher()
    shard = await take(reads, publisher)
    publisher.down = True
    for _ in range(3):
        with pytest.raises(TransportUnavailable):
            await shard.step()
    publisher.down = False
    while shard.busy:
        await shard.step()
    assert publisher.keys == [f"{number:02}" for number in range(COUNT)]


async def test_what_was_published_is_not_published_again_when_reading_ahead_fails(reads: Reads) -> None:
    publisher = CapturingPublisher()
    shard = await take(reads, publisher)
    publisher.acknowledging.clear()
    step = asyncio.create_task(shard.step())
    await publisher.called.wait()
    await until(lambda: len(reads.pages) == 2, 5)
    publisher.acknowledging.set()
    await step
    reads.failing = True  # the page read ahead is published, the one after it cannot be read
    with pytest.raises(StorageUnavailable):
        await shard.step()
    assert len(publisher.published) == 2 * PAGE
    reads.failing = False
    while shard.busy:
        await shard.step()
    assert publisher.keys == [f"{number:02}" for number in range(COUNT)]


async def test_a_relay_that_ends_meanwhile_leaves_no_read_behind(reads: Reads) -> None:
    publisher = CapturingPublisher()
    shard = await take(reads, publisher)
    publisher.acknowledging.clear()
    before = asyncio.all_tasks()
    step = asyncio.create_task(shard.step())
    await publisher.called.wait()
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    assert asyncio.all_tasks() == before
    assert publisher.published == []
