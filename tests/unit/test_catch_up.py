"""The catch-up on a real SQLite outbox, with an indexer that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from syncline_contracts.errors import IndexUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine, Pos
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.indexing import catch_up as module
from syncline_store.indexing.catch_up import CatchUp
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Done, Handled, Outcome
from tests.parts.clock import SECOND, ManualClock

DEADLINE = 5.0


class Indexer:
    def __init__(self) -> None:
        self.keys: list[str] = []
        self.down = False
        self.called = asyncio.Event()

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        self.called.set()
        if self.down:
            raise IndexUnavailable("out of order")
        self.keys += [delivery.event.key for delivery in deliveries]
        return [Handled(delivery.event.ref, delivery.event.revision, Done.EMBEDDED) for delivery in deliveries]


@pytest.fixture
def time() -> ManualClock:
    return ManualClock()


@pytest.fixture
def clock(time: ManualClock) -> Clock:
    return Clock(now=time)


@pytest.fixture
async def engine(tmp_path: Path, clock: Clock) -> AsyncIterator[Engine]:
    engine = await open_sqlite(str(tmp_path / "outbox.db"), clock=clock, shards=2)
    await engine.migrate()
    yield engine
    await engine.aclose()


@pytest.fixture
def indexer() -> Indexer:
    return Indexer()


async def append(engine: Engine, clock: Clock, *keys: str, kind: Kind = Kind.WRITE, due: int | None = None) -> None:
    for key in keys:
        await engine.outbox.append([ChangeEvent.of(Ref("t", ("n",), key), clock.now(), kind, first_at=clock.now())], due)


async def test_what_was_left_behind_is_indexed_and_the_mark_follows(
    engine: Engine, clock: Clock, time: ManualClock, indexer: Indexer
) -> None:
    await append(engine, clock, *"abcdefgh")
    time.forward(10)
    catch_up = CatchUp(engine, indexer, clock=clock)
    assert await catch_up.once() == 8
    assert sorted(indexer.keys) == list("abcdefgh")
    assert set((await engine.leases.marks()).values()) == {Pos(clock.now() - engine.outbox.lateness)}
    assert await catch_up.once() == 0, "nothing stands behind the mark"


async def test_pages_move_the_mark_one_by_one(
    engine: Engine, clock: Clock, time: ManualClock, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    keys = [str(number) for number in range(30)]
    for key in keys:
        time.forward(1)
        await append(engine, clock, key)
    time.forward(10)
    assert await CatchUp(engine, indexer, clock=clock).once() == 30
    assert sorted(indexer.keys) == sorted(keys)


async def test_an_outage_moves_nothing_and_loses_nothing(engine: Engine, clock: Clock, time: ManualClock, indexer: Indexer) -> None:
    await append(engine, clock, "a")
    at = clock.now()
    time.forward(10)
    indexer.down = True
    catch_up = CatchUp(engine, indexer, clock=clock)
    with pytest.raises(IndexUnavailable):
        await catch_up.once()
    assert all(mark is None or mark < Pos(at) for mark in (await engine.leases.marks()).values()) or indexer.keys == []
    indexer.down = False
    await catch_up.once()
    assert indexer.keys == ["a"]


async def test_where_another_process_holds_the_lease_it_does_nothing(
    engine: Engine, clock: Clock, time: ManualClock, indexer: Indexer
) -> None:
    await append(engine, clock, *"abcd")
    time.forward(10)
    leases = [await engine.leases.acquire(shard, "another", 60 * SECOND) for shard in range(2)]
    catch_up = CatchUp(engine, indexer, clock=clock)
    assert await catch_up.once() == 0
    assert indexer.keys == []
    for lease in leases:
        assert lease is not None
        await engine.leases.release(lease)
    assert await catch_up.once() == 4


async def test_a_lease_that_was_taken_over_cannot_move_the_mark(engine: Engine, clock: Clock, time: ManualClock, indexer: Indexer) -> None:
    await append(engine, clock, *"abcd")
    time.forward(10)
    taken: dict[int, Pos | None] = {}

    class TakenOver(Indexer):
        async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
            time.forward(60)
            for shard in range(2):
                lease = await engine.leases.acquire(shard, "another", 60 * SECOND)
                if lease is not None:
                    taken[shard] = lease.mark
            return await super().index(deliveries)

    await CatchUp(engine, TakenOver(), clock=clock).once()
    assert taken
    marks = await engine.leases.marks()
    assert all(marks[shard] == mark for shard, mark in taken.items())


async def test_a_deferred_row_waits_until_it_is_due(engine: Engine, clock: Clock, time: ManualClock, indexer: Indexer) -> None:
    await append(engine, clock, "later", due=clock.now() + 30 * SECOND)
    time.forward(10)
    catch_up = CatchUp(engine, indexer, clock=clock)
    assert await catch_up.once() == 0
    time.forward(30)
    assert await catch_up.once() == 1


async def test_an_intent_holds_the_mark_until_its_grace_is_over(engine: Engine, clock: Clock, time: ManualClock, indexer: Indexer) -> None:
    await append(engine, clock, "intent", kind=Kind.INTENT)
    at = clock.now()
    time.forward(5)
    catch_up = CatchUp(engine, indexer, clock=clock)
    assert await catch_up.once() == 0
    assert min(mark for mark in (await engine.leases.marks()).values() if mark is not None) < Pos(at)
    time.forward(6)
    assert await catch_up.once() == 1


async def test_running_makes_a_pass_at_once_and_when_poked_and_ends_with_the_stop(
    engine: Engine, clock: Clock, time: ManualClock, indexer: Indexer
) -> None:
    await append(engine, clock, "first")
    time.forward(10)
    stop = asyncio.Event()
    catch_up = CatchUp(engine, indexer, clock=clock)
    running = asyncio.create_task(catch_up.run(stop))
    async with asyncio.timeout(DEADLINE):
        await indexer.called.wait()
        indexer.called.clear()
        await append(engine, clock, "second")
        time.forward(10)
        catch_up.poke()
        await indexer.called.wait()
        stop.set()
        await running
    assert indexer.keys == ["first", "second"]


async def test_running_waits_out_an_outage(
    engine: Engine, clock: Clock, time: ManualClock, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY", 0.01)
    await append(engine, clock, "a")
    time.forward(10)
    indexer.down = True
    stop = asyncio.Event()
    running = asyncio.create_task(CatchUp(engine, indexer, clock=clock).run(stop))
    async with asyncio.timeout(DEADLINE):
        await indexer.called.wait()
        indexer.called.clear()
        indexer.down = False
        await indexer.called.wait()
        stop.set()
        await running
    assert indexer.keys == ["a"]
