"""The relay as a process runs it: leases shared and taken over, stops, drains. Real time, short lives."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import StorageUnavailable, TransportUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.engines.sqlite import SqliteEngine, open_sqlite
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.relay import Relay, RelaySettings
from tests.parts.capturing import CapturingPublisher
from tests.parts.consuming import until

DEADLINE = 10.0
QUICK = RelaySettings(hot_interval=0.005, idle_interval=0.02, lease_life=0.3, first_backoff=0.005, longest_backoff=0.02, stop_within=0.3)
SHARDS = 4


class Counting(CapturingPublisher):
    """Can be awaited until it has published so many rows."""

    def __init__(self) -> None:
        super().__init__()
        self.more = asyncio.Condition()

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        await super().publish(rows)
        async with self.more:
            self.more.notify_all()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE), self.more:
            await self.more.wait_for(lambda: len(self.published) >= count)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with await open_sqlite(str(tmp_path / "outbox.db"), clock=Clock(), shards=SHARDS) as engine:
        yield engine


@pytest.fixture
def publisher() -> Counting:
    return Counting()


def make(engine: Any, publisher: CapturingPublisher, **changes: Any) -> Relay:
    return Relay(engine, publisher, clock=Clock(), settings=QUICK.model_copy(update=changes))


async def append(engine: SqliteEngine, count: int, due: int | None = None) -> set[str]:
    keys = {f"{number}-{due}" for number in range(count)}
    for key in keys:
        now = Clock().now()
        await engine.outbox.append([ChangeEvent.of(Ref("t", ("n",), key), now, Kind.WRITE, first_at=now)], due)
    return keys


@asynccontextmanager
async def running(*relays: Relay) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
        for relay in relays:
            group.create_task(relay.run(stop))
        yield stop
        stop.set()


async def free(engine: SqliteEngine) -> bool:
    """Whether every lease can be taken at once."""
    leases = [await engine.leases.acquire(shard, "somebody", 1) for shard in range(SHARDS)]
    return None not in leases


async def test_it_publishes_what_comes_and_stops_with_everything_published_and_the_leases_free(
    engine: SqliteEngine, publisher: Counting
) -> None:
    before = await append(engine, 20)
    async with running(make(engine, publisher)) as stop:
        await publisher.until(20)
        await append(engine, 20)
        stop.set()  # what is there now is published first
    assert len(publisher.published) == 40
    assert set(publisher.keys) == before
    assert await free(engine)
    assert None not in (await engine.leases.marks()).values()


async def test_its_metrics_tell_of_leases_and_pauses(engine: SqliteEngine, publisher: Counting) -> None:
    metrics = Metrics()
    relay = Relay(engine, publisher, clock=Clock(), settings=QUICK, metrics=metrics)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"syncline_relay_{name}", labels)

    await append(engine, 8)
    publisher.down = True
    async with running(relay):
        await until(lambda: (value("pauses_total", error="TransportUnavailable") or 0) >= SHARDS)
        assert value("leases") == SHARDS
        publisher.down = False
        await publisher.until(8)
        await until(lambda: value("lag_seconds", shard="0") is not None)
    assert value("leases") == 0
    assert value("lag_seconds", shard="0") is None
    assert value("lease_changes_total", change="taken") == value("lease_changes_total", change="released") == SHARDS
    assert sum(value("published_total", shard=str(shard)) or 0 for shard in range(SHARDS)) == 8


async def test_two_relays_share_the_shards(engine: SqliteEngine) -> None:
    both = [Counting(), Counting()]
    relays = [make(engine, publisher, shards_at_most=2) for publisher in both]
    async with running(*relays):
        while True:
            keys = await append(engine, 40)
            shards = [{row.shard for row in publisher.published} for publisher in both]
            if len(shards[0] | shards[1]) == SHARDS:
                break
            await asyncio.sleep(0)
    assert [len(mine) for mine in shards] == [2, 2]
    assert not shards[0] & shards[1]
    assert set(both[0].keys) | set(both[1].keys) == keys


async def test_a_relay_that_died_is_replaced(engine: SqliteEngine, publisher: Counting) -> None:
    for shard in range(SHARDS):
        assert await engine.leases.acquire(shard, "a relay that dies", 300_000)
    await append(engine, 10)
    async with running(make(engine, publisher)):
        await publisher.until(10)


async def test_a_lease_is_kept_while_publishing_hangs_and_the_stop_does_not_wait_for_ever(
    engine: SqliteEngine, publisher: Counting
) -> None:
    await append(engine, 4)
    publisher.acknowledging.clear()
    async with running(make(engine, publisher)) as stop:
        async with asyncio.timeout(DEADLINE):
            await publisher.called.wait()
        await asyncio.sleep(QUICK.lease_life * 2)  # two lives pass; only the renewals keep it
        shard = publisher.sent[0].shard
        assert await engine.leases.acquire(shard, "another", 1) is None
        stop.set()
    assert publisher.published == []
    assert all(
        mark is None or mark < publisher.sent[0].pos
        for shard, mark in (await engine.leases.marks()).items()
        if shard == publisher.sent[0].shard
    )
    assert await free(engine)


async def test_a_lost_lease_ends_the_publishing(engine: SqliteEngine) -> None:
    class Lost:
        """The engine, with leases that another takes over at the first renewal."""

        def __init__(self) -> None:
            self.outbox = engine.outbox
            self.leases = self
            self.checkpoint = engine.leases.checkpoint
            self.release = engine.leases.release
            self.acquired = 0

        async def acquire(self, shard: int, owner: str, life: int) -> Any:
            self.acquired += 1
            return await engine.leases.acquire(shard, owner, life) if shard == 0 and self.acquired <= SHARDS else None

        async def renew(self, lease: Any, life: int) -> None:
            return None

    class GivenUp(Counting):
        given_up = asyncio.Event()

        async def publish(self, rows: Sequence[OutboxRow]) -> None:
            try:
                await super().publish(rows)
            except asyncio.CancelledError:
                self.given_up.set()
                raise

    publisher = GivenUp()
    await append(engine, 20)
    publisher.acknowledging.clear()
    async with running(make(Lost(), publisher)), asyncio.timeout(DEADLINE):
        await publisher.given_up.wait()
    assert publisher.sent
    assert publisher.published == []


async def test_storage_that_fails_is_waited_out(engine: SqliteEngine, publisher: Counting) -> None:
    class Failing:
        """The engine, each of whose first calls fails."""

        def __init__(self) -> None:
            self.outbox, self.leases, self.shards, self.lateness = self, self, SHARDS, engine.outbox.lateness
            self.failures = {"read": 3, "places": 3, "acquire": 3, "renew": 2, "checkpoint": 2, "release": 1}

        def __getattr__(self, name: str) -> Any:
            real = getattr(engine.outbox if name in ("read", "places") else engine.leases, name)

            async def call(*arguments: Any) -> Any:
                if self.failures[name]:
                    self.failures[name] -= 1
                    raise StorageUnavailable("the disk is full")
                return await real(*arguments)

            return call

    await append(engine, 10)
    failing = Failing()
    async with running(make(failing, publisher, checkpoint_every=0.05)):
        await publisher.until(10)
        async with asyncio.timeout(DEADLINE):
            while failing.failures["renew"] or failing.failures["checkpoint"]:  # noqa: ASYNC110 - it is the engine's calls that count
                await asyncio.sleep(0.01)
    assert len(publisher.published) == 10


async def test_a_bug_ends_it_as_itself(engine: SqliteEngine, publisher: Counting) -> None:
    class Broken(CapturingPublisher):
        async def publish(self, rows: Sequence[OutboxRow]) -> None:
            raise ZeroDivisionError

    await append(engine, 1)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(DEADLINE):
            await make(engine, Broken()).run(asyncio.Event())
    assert await free(engine)


async def test_draining_publishes_what_is_there_and_leaves_what_is_due_later(engine: SqliteEngine, publisher: Counting) -> None:
    now = await append(engine, 15)
    await append(engine, 3, due=Clock().now() + 60_000_000)
    assert await make(engine, publisher).drain() == 15
    assert set(publisher.keys) == now
    assert await free(engine)
    marks = [mark for mark in (await engine.leases.marks()).values() if mark is not None]
    assert len(marks) == SHARDS
    assert max(marks) <= Pos(Clock().now() - engine.outbox.lateness)


async def test_a_settled_drain_takes_the_mark_past_every_row(engine: SqliteEngine, publisher: Counting) -> None:
    await append(engine, 15)
    assert await make(engine, publisher).drain(settle=True) == 15
    newest = max(row.pos for row in publisher.published)
    assert min(mark for mark in (await engine.leases.marks()).values() if mark is not None) >= newest
    assert await make(engine, publisher).drain() == 0


async def test_a_drain_raises_what_the_publisher_does_and_moves_no_mark(engine: SqliteEngine, publisher: Counting) -> None:
    await append(engine, 5)
    publisher.down = True
    with pytest.raises(TransportUnavailable):
        await make(engine, publisher).drain()
    oldest = {row.shard: row.pos for shard in range(SHARDS) for row in reversed(await engine.outbox.read(shard, Pos(0), Pos(2**62), 10))}
    marks = await engine.leases.marks()
    assert all((mark := marks[shard]) is None or mark < pos for shard, pos in oldest.items())
    publisher.down = False
    assert await make(engine, publisher).drain() == 5


async def test_a_drain_leaves_a_living_relays_shards_and_waits_for_a_dead_ones(engine: SqliteEngine, publisher: Counting) -> None:
    await append(engine, 30)
    held = await engine.leases.acquire(0, "a relay that lives", 60_000_000)
    assert held is not None
    assert await engine.leases.acquire(1, "a relay that died", 100_000)
    await make(engine, publisher).drain()
    assert {row.shard for row in publisher.published} == {1, 2, 3}
