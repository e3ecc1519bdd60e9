"""R1-R4 and C3 of docs/protocol.md, replayed on the real relay: SQLite, an outbox that shows rows late, a publisher that waits."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import TransportUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Lease, Pos
from syncline_store.engines.sqlite import open_sqlite
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.relay import Relay, RelaySettings
from syncline_sync_worker.relay.shard import LeasedShard
from tests.parts.capturing import CapturingPublisher
from tests.parts.clock import MINUTE, SECOND, ManualClock
from tests.parts.late_engine import LateEngine

LATENESS = 5 * MINUTE
SETTINGS = RelaySettings(lease_life=15)


class World:
    """One shard, time that is moved by hand, rows that surface late, and what was published by any relay."""

    def __init__(self, engine: LateEngine, time: ManualClock) -> None:
        self.engine = engine
        self.time = time
        self.clock = Clock(now=time)
        self.leases = engine.leases
        self.publisher = CapturingPublisher()
        self.metrics = Metrics()

    async def relay(self, **changes: Any) -> LeasedShard:
        """A relay with the shard's lease; the one before it, if any, died or lost it."""
        settings = SETTINGS.model_copy(update=changes)
        relay = Relay(self.engine, self.publisher, clock=self.clock, settings=settings, metrics=self.metrics)
        shard = await relay.take(0)
        assert shard is not None
        return shard

    async def row(
        self, key: str, *, late: float = 0, kind: Kind = Kind.WRITE, due: int | None = None, event: ChangeEvent | None = None
    ) -> ChangeEvent:
        """Append an event now; it surfaces `late` seconds after its place."""
        now = self.time()
        event = event or ChangeEvent.of(Ref("t", ("n",), key), now, kind, first_at=now)
        self.engine.delays.outbox_rows[event.id] = int(late * SECOND)
        await self.engine.outbox.append([event], due)
        return event

    async def mark(self) -> Pos | None:
        return (await self.leases.marks())[0]

    async def lives_for(self, shard: LeasedShard, seconds: float, step: float = 1.0) -> None:
        """Let a relay work while time passes."""
        for _ in range(int(seconds / step)):
            self.time.forward(step)
            await shard.lease.renew()
            await shard.step()

    def lease_runs_out(self) -> None:
        self.time.forward(SETTINGS.lease_life + 1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    time = ManualClock()
    engine = LateEngine(await open_sqlite(str(tmp_path / "outbox.db"), clock=Clock(now=time), shards=1), time, outbox_lateness=LATENESS)
    yield World(engine, time)
    await engine.aclose()


# ------------------------------------------------------------------ R1


async def test_r1_a_row_that_was_a_little_late_survives_the_relay_that_read_past_it(world: World) -> None:
    first = await world.relay()
    await first.step()
    await world.row("r0", late=20)
    await world.lives_for(first, 10)
    await first.checkpoint()  # its cursor is past r0, which has not surfaced: then it dies
    world.lease_runs_out()
    second = await world.relay()
    await second.step()
    assert world.publisher.keys == ["r0"]


async def test_r1_the_mark_trails_the_last_completed_sweep_by_the_overlap(world: World) -> None:
    shard = await world.relay()
    begun = world.time()
    await world.lives_for(shard, 100)
    await shard.checkpoint()
    assert await world.mark() == Pos(begun + 90 * SECOND - LATENESS)


async def test_the_mark_is_written_soon_after_rows_and_seldom_without(world: World) -> None:
    shard = await world.relay(long_overlap=2, short_overlap=2)
    await world.lives_for(shard, 100)
    await world.row("r0")
    at = world.time()
    await world.lives_for(shard, 12)
    mark = await world.mark()
    assert mark is not None
    assert mark > Pos(at)
    await world.lives_for(shard, 40)
    assert await world.mark() == mark
    await world.lives_for(shard, 30)
    assert await world.mark() > mark


# ------------------------------------------------------------------ R2


async def test_r2_a_relay_that_paused_longer_than_the_overlap_reads_all_it_missed(world: World) -> None:
    shard = await world.relay(lease_life=7200)
    await world.lives_for(shard, 60)
    await world.row("r0", late=250)
    await world.lives_for(shard, 5)
    assert world.publisher.keys == []
    world.time.forward(2400)  # r0 surfaced long ago; now minus the overlap lies far behind it
    await world.lives_for(shard, 60)
    assert world.publisher.keys == ["r0"]


# ------------------------------------------------------------------ R3


async def test_r3_a_deferred_row_is_published_again_under_its_events_id(world: World) -> None:
    shard = await world.relay()
    event = await world.row("r0")
    await world.lives_for(shard, 2)
    await world.row("r0", event=event, due=world.time() + 20 * SECOND)
    await world.lives_for(shard, 15)
    assert len(world.publisher.published) == 1, "a row in the future waits until its time has come"
    await world.lives_for(shard, 10)
    assert [row.event.id for row in world.publisher.published] == [event.id, event.id]


async def test_r3_overlaps_publish_no_row_twice(world: World) -> None:
    shard = await world.relay(page=7)
    for number in range(50):
        await world.row(f"r{number}")
        await world.lives_for(shard, 1)
    await world.lives_for(shard, 100)
    assert world.publisher.keys == [f"r{number}" for number in range(50)]


# ------------------------------------------------------------------ R4


@pytest.mark.parametrize("age", [2, 3600, 2 * 24 * 3600])
async def test_r4_without_a_mark_it_begins_where_the_oldest_row_can_be(world: World, age: int) -> None:
    await world.row("r0")
    world.time.forward(age)
    shard = await world.relay()
    await world.lives_for(shard, 2)
    assert world.publisher.keys == ["r0"]


async def test_r4_a_relay_that_lost_its_lease_cannot_move_the_mark(world: World) -> None:
    zombie = await world.relay()
    await zombie.step()
    world.lease_runs_out()
    second = await world.relay()
    await world.lives_for(second, 40)
    mark = await world.mark()
    assert zombie.lease.lease.epoch < second.lease.lease.epoch
    assert not await zombie.lease.checkpoint(Pos(world.time()))
    assert await world.mark() == mark
    assert not zombie.lease.alive
    await world.lives_for(second, 40)
    assert await world.mark() > mark, "the lease's owner moves it"


async def test_r4_a_relay_whose_lease_ran_out_publishes_nothing(world: World) -> None:
    zombie = await world.relay()
    await zombie.step()
    world.lease_runs_out()
    await world.row("r0")
    world.time.forward(1)
    with pytest.raises(TransportUnavailable, match="lease"):
        await zombie.step()
    assert world.publisher.sent == []


async def test_r4_the_mark_never_goes_back(world: World) -> None:
    shard = await world.relay()
    await world.lives_for(shard, 400)
    mark = await world.mark()
    assert mark is not None
    held: Lease = shard.lease.lease
    await world.leases.checkpoint(held, Pos(mark.at - SECOND))
    assert await world.mark() == mark


# ------------------------------------------------------------------ C3


async def test_c3_a_held_intent_survives_the_relay_that_holds_it(world: World) -> None:
    first = await world.relay(long_overlap=1, short_overlap=1)
    await first.step()
    await world.row("intent", kind=Kind.INTENT)
    await world.lives_for(first, 8)
    await first.checkpoint()
    assert world.publisher.keys == []
    world.lease_runs_out()
    second = await world.relay(long_overlap=1, short_overlap=1)
    await second.step()
    assert world.publisher.keys == ["intent"]


async def test_c3_a_settled_intent_is_published_once_as_what_was_settled(world: World) -> None:
    shard = await world.relay()
    intent = await world.row("k", kind=Kind.INTENT)
    await world.lives_for(shard, 3)
    await world.row("k", event=intent.model_copy(update={"kind": Kind.SETTLED}))
    await world.lives_for(shard, 60)
    assert [row.event.kind for row in world.publisher.published] == [Kind.SETTLED]


# ------------------------------------------------------------------ invariant 6


async def test_the_mark_waits_for_the_acknowledgement(world: World) -> None:
    shard = await world.relay(long_overlap=1, short_overlap=1, lease_life=600)
    await world.row("r0")
    at = world.time()
    world.time.forward(1)
    world.publisher.acknowledging.clear()
    world.publisher.called.clear()
    step = asyncio.create_task(shard.step())
    async with asyncio.timeout(5):
        await world.publisher.called.wait()
    world.time.forward(100)
    await shard.checkpoint()
    mark = await world.mark()
    assert mark is None or mark < Pos(at)
    step.cancel()  # the relay dies before the acknowledgement
    await asyncio.gather(step, return_exceptions=True)
    world.publisher.acknowledging.set()
    world.time.forward(600)
    second = await world.relay(long_overlap=1, short_overlap=1)
    await second.step()
    assert world.publisher.keys == ["r0"]


async def test_an_outage_loses_nothing_and_the_mark_waits(world: World) -> None:
    shard = await world.relay(long_overlap=1, short_overlap=1, lease_life=7200)
    world.publisher.down = True
    await world.row("r0")
    at = world.time()
    for _ in range(20):
        world.time.forward(100)
        with pytest.raises(TransportUnavailable):
            await shard.step()
        await shard.checkpoint()
    mark = await world.mark()
    assert mark is None or mark < Pos(at)
    world.publisher.down = False
    await world.row("r1")
    world.time.forward(1)
    await shard.step()
    assert world.publisher.keys == ["r0", "r1"]


# ------------------------------------------------------------------ late rows


async def test_rows_that_surface_1_s_30_s_and_4_min_late_are_published_and_counted_by_age(world: World) -> None:
    shard = await world.relay()
    await world.lives_for(shard, 40)
    for key, late in (("in time", 0), ("1 s", 1), ("30 s", 30), ("4 min", 240)):
        await world.row(key, late=late)
    await world.lives_for(shard, 320, step=0.5)
    assert world.publisher.keys == ["in time", "1 s", "30 s", "4 min"]
    registry = world.metrics.registry
    assert registry.get_sample_value("syncline_relay_late_seconds_count") == 3
    assert registry.get_sample_value("syncline_relay_late_seconds_bucket", {"le": "5.0"}) == 1
    assert registry.get_sample_value("syncline_relay_late_seconds_bucket", {"le": "60.0"}) == 2


async def test_rows_later_than_the_relay_was_set_to_expect_widen_the_overlap(world: World) -> None:
    shard = await world.relay(long_overlap=60, long_every=5)
    await world.lives_for(shard, 20)
    await world.row("first", late=58)
    await world.lives_for(shard, 70)
    assert world.publisher.keys == ["first"]
    assert shard.overlap == 120 * SECOND
    await world.row("second", late=110)
    await world.lives_for(shard, 130)
    assert world.publisher.keys == ["first", "second"]


@pytest.mark.parametrize("seed", range(15))
async def test_whatever_pauses_and_crashes_every_row_within_the_overlap_is_published(world: World, seed: int) -> None:
    """The model's search, at random: rows up to 290 s late, relays that stall, die and are replaced."""
    chance = random.Random(seed)
    shard = await world.relay()
    written = []
    for number in range(60):
        await world.row(f"r{number}", late=chance.choice([0, 0, 0.5, 5, 40, 290]))
        written.append(f"r{number}")
        match chance.randrange(10):
            case 0:
                world.lease_runs_out()
                shard = await world.relay(page=chance.choice([1, 3, 1000]))
            case 1:
                world.time.forward(chance.choice([1, 60, 1000]))
                if not shard.lease.alive:
                    shard = await world.relay()
            case _:
                await world.lives_for(shard, chance.randrange(1, 8))
    world.time.forward(300)
    if not shard.lease.alive:
        shard = await world.relay()
    await world.lives_for(shard, 100)
    assert set(world.publisher.keys) == set(written)


# ------------------------------------------------------------------ the hot overlap


async def test_a_row_that_another_write_overtook_is_published_by_the_next_read(world: World) -> None:
    """No sweep is due meanwhile; and it counts as late."""
    shard = await world.relay(short_every=3600, long_every=3600)
    await world.lives_for(shard, 1)
    await world.row("overtaken", late=0.2)
    await world.row("other")
    await world.lives_for(shard, 0.1, step=0.1)
    assert world.publisher.keys == ["other"]
    await world.lives_for(shard, 0.2, step=0.1)
    assert world.publisher.keys == ["other", "overtaken"]
    assert world.metrics.registry.get_sample_value("syncline_relay_late_seconds_count") == 1


async def test_more_known_rows_than_a_page_do_not_stop_it(world: World) -> None:
    shard = await world.relay(page=2, short_every=3600, long_every=3600)
    await world.lives_for(shard, 1)
    for number in range(7):
        await world.row(str(number))
    await world.lives_for(shard, 0.4, step=0.04)
    await world.row("next")
    await world.lives_for(shard, 0.08, step=0.04)
    assert world.publisher.keys == [*map(str, range(7)), "next"]
    assert not shard.busy
