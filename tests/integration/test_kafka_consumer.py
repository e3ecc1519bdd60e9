"""The consumer on a real Kafka: what is acknowledged and when, pauses, rebalances, stops, bugs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from aiokafka import AIOKafkaProducer
from structlog.testing import capture_logs

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_sync_worker.handler import Undecodable
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.transport.kafka import ConsumerSettings, KafkaSettings
from syncline_sync_worker.transport.kafka.connection import client_options
from syncline_sync_worker.transport.kafka.consumer import KafkaConsumer
from syncline_sync_worker.transport.kafka.lag import Lag, read_lag, watch_lag
from syncline_sync_worker.transport.kafka.publisher import KafkaPublisher
from syncline_sync_worker.transport.kafka.subscription import NO_NEWS
from syncline_sync_worker.transport.kafka.topics import ensure_topics
from tests.parts.consuming import Recording, running, until
from tests.parts.servers.kafka import KafkaServer
from tests.parts.topics import committed, kafka_settings

QUICK = ConsumerSettings(
    session_timeout=6.0, heartbeat=0.3, first_probe=0.1, longest_probe=0.3, stop_within=5.0, revoke_within=5.0, max_batch=50
)


def rows(names: Sequence[str]) -> list[OutboxRow]:
    return [
        OutboxRow(0, Pos(at), ChangeEvent.of(Ref("t", ("n",), name), (at + 1) << 6, Kind.WRITE, first_at=at))
        for at, name in enumerate(names)
    ]


def names(count: int, prefix: str = "k") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


@pytest.fixture
async def settings(kafka: KafkaServer) -> KafkaSettings:
    settings = kafka_settings(kafka.address, consumer=QUICK)
    await ensure_topics(settings)
    return settings


@pytest.fixture
async def publisher(settings: KafkaSettings) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(settings)
    yield publisher
    await publisher.aclose()


def tuned(settings: KafkaSettings, **changes: object) -> KafkaSettings:
    return settings.model_copy(update={"consumer": settings.consumer.model_copy(update=changes)})


async def total(settings: KafkaSettings) -> int:
    return sum((await committed(settings)).values())


async def test_all_of_it_arrives_and_is_committed(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    sent = rows(names(500))
    await publisher.publish(sent)
    handler = Recording()
    async with running(KafkaConsumer(handler, settings)):
        await until(lambda: len(handler.done) >= 500)
    assert {one.event for one in handler.done if not isinstance(one, Undecodable)} == {row.event for row in sent}
    assert len(handler.done) == 500
    assert max(map(len, handler.batches)) <= 50
    assert await total(settings) == 500


async def test_a_start_that_goes_well_warns_of_nothing(settings: KafkaSettings) -> None:
    consumer = KafkaConsumer(Recording(), settings)
    with capture_logs() as lines:
        async with running(consumer):
            await until(lambda: bool(consumer.assigned))
    assert [line for line in lines if line["log_level"] not in ("debug", "info")] == []
    assert any(str(line.get("said")).startswith(NO_NEWS) for line in lines), "FastStream says it in other words now: see _Log"


async def test_a_document_s_events_come_in_order(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    sent = rows([f"k{number % 7}" for number in range(300)])
    await publisher.publish(sent)
    handler = Recording()
    async with running(KafkaConsumer(handler, settings)):
        await until(lambda: len(handler.done) >= 300)
    for key in names(7):
        revisions = [one.event.revision for one in handler.done if not isinstance(one, Undecodable) and one.event.key == key]
        assert revisions == sorted(revisions)


async def test_nothing_is_committed_before_the_verdict(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    await publisher.publish(rows(names(20)))
    handler = Recording()
    handler.gate.clear()
    async with running(KafkaConsumer(handler, settings)):
        await until(lambda: bool(handler.batches))
        assert await total(settings) == 0
        handler.gate.set()
        await until(lambda: len(handler.done) == 20)
    assert await total(settings) == 20


async def test_a_stop_finishes_the_batch_under_way(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    await publisher.publish(rows(names(20)))
    handler = Recording()
    handler.gate.clear()
    async with running(KafkaConsumer(handler, settings)) as stop:
        await until(lambda: bool(handler.batches))
        stop.set()
        await asyncio.sleep(0)
        handler.gate.set()
    assert len(handler.done) > 0
    assert await total(settings) == len(handler.done)


async def test_a_stop_that_cannot_wait_leaves_the_batch_to_others(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    await publisher.publish(rows(names(20)))
    stuck, other = Recording(), Recording()
    stuck.gate.clear()
    async with running(KafkaConsumer(stuck, tuned(settings, stop_within=0.2))):
        await until(lambda: bool(stuck.batches))
    assert stuck.cancelled == 1
    assert await total(settings) == 0
    async with running(KafkaConsumer(other, settings)):
        await until(lambda: len(other.done) == 20)


async def test_an_undecodable_record_does_not_fail_its_batch(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    async with raw_producer(settings) as raw:
        await raw.send_and_wait(settings.events.name, b"\x00\xff no event", key=b"\x01", headers=[("trace", b"\xfe\xff"), ("ce_id", b"1")])
        await raw.send_and_wait(settings.events.name, None, key=b"\x02")
    await publisher.publish(rows(names(10)))
    handler = Recording()
    async with running(KafkaConsumer(handler, settings)):
        await until(lambda: len(handler.done) == 12)
    undecodable = {one.headers["kafka_key"]: one for one in handler.done if isinstance(one, Undecodable)}
    assert sorted(handler.keys) == sorted(names(10))
    assert undecodable["01"].body == b"\x00\xff no event"
    assert undecodable["01"].headers == {"trace": "hex:feff", "ce_id": "1", "kafka_key": "01"}
    assert undecodable["02"].body == b""
    assert undecodable["01"].source.startswith(f"kafka/{settings.events.name}/")
    assert await total(settings) == 12


async def test_a_pause_commits_nothing_keeps_the_membership_and_ends_with_the_outage(
    settings: KafkaSettings, publisher: KafkaPublisher
) -> None:
    """The outage lasts twice max_poll_interval, and that long enough for a machine that is busy with something else."""
    short = tuned(settings, max_poll_interval=3.0, session_timeout=3.0, heartbeat=0.2)
    await publisher.publish(rows(names(100)))
    handler = Recording()
    handler.out = True
    metrics = Metrics()
    value = metrics.registry.get_sample_value
    consumer = KafkaConsumer(handler, short, metrics=metrics)
    async with running(consumer):
        await until(lambda: consumer.paused is not None)
        assert value("syncline_consumer_paused") == 1
        began = len(handler.batches)
        await asyncio.sleep(6.5)
        assert len(handler.batches) > began + 3, "probes went on"
        assert await total(settings) == 0
        handler.out = False
        await until(lambda: len(handler.done) == 100)
        assert consumer.paused is None
    assert consumer.rebalances == 1
    assert [value(f"syncline_consumer_{name}") for name in ("paused", "rebalances_total", "partitions")] == [0, 1, 3]
    assert sorted(handler.keys) == sorted(names(100))
    assert await total(settings) == 100


async def test_a_rebalance_waits_for_the_batch_under_way(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    await publisher.publish(rows(names(200)))
    first, second = Recording(), Recording()
    first.gate.clear()
    one, two = KafkaConsumer(first, settings), KafkaConsumer(second, settings)
    async with running(one):
        await until(lambda: bool(first.batches))
        async with running(two):
            await asyncio.sleep(1.0)
            assert not second.batches, "the newcomer waits for the batch under way"
            first.gate.set()
            await until(lambda: len(set(first.keys) | set(second.keys)) == 200)
            await until(lambda: bool(two.assigned) and bool(one.assigned))
            assert not one.assigned & two.assigned
    assert len(first.keys) + len(second.keys) == 200, "each once"
    assert await total(settings) == 200


async def test_a_rebalance_that_cannot_wait_loses_nothing(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    await publisher.publish(rows(names(200)))
    first, second = Recording(), Recording()
    first.gate.clear()
    async with running(KafkaConsumer(first, tuned(settings, revoke_within=0.1))):
        await until(lambda: bool(first.batches))
        async with running(KafkaConsumer(second, settings)):
            await until(lambda: bool(second.done))
            first.gate.set()
            await until(lambda: len(set(first.keys) | set(second.keys)) == 200)
            await publisher.publish(rows(names(50, "later")))
            await until(lambda: len(set(first.keys) | set(second.keys)) == 250)
    assert await total(settings) == 250


async def test_an_outage_in_a_rebalance_storm(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    """Workers come and go while the index is out; nothing is committed, and all of it is handled in the end."""
    await publisher.publish(rows(names(100)))
    steady = Recording()
    steady.out = True
    async with running(KafkaConsumer(steady, settings)):
        for _ in range(3):
            passing = Recording()
            passing.out = True
            async with running(KafkaConsumer(passing, settings)):
                await until(lambda handler=passing: bool(handler.batches))  # type: ignore[misc] # bound in the loop on purpose
        assert await total(settings) == 0
        steady.out = False
        await until(lambda: len(set(steady.keys)) == 100)
    assert await total(settings) == 100


async def test_a_bug_in_the_handler_ends_the_run_and_skips_nothing(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    await publisher.publish(rows(names(120)))
    handler = Recording()
    handler.broken = KeyError("a bug")
    with pytest.raises(KeyError, match="a bug"):
        await KafkaConsumer(handler, settings).run(asyncio.Event())
    assert await total(settings) == 0
    handler.broken = None
    async with running(KafkaConsumer(handler, settings)):
        await until(lambda: len(handler.done) == 120)


async def test_a_named_worker_comes_back_without_a_rebalance(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    handler, other = Recording(), Recording()
    bystander = KafkaConsumer(other, tuned(settings, instance="b"))
    async with running(bystander):
        async with running(KafkaConsumer(handler, tuned(settings, instance="a"))):
            await until(lambda: 0 < len(bystander.assigned) < 3)
            kept = bystander.assigned
        async with running(again := KafkaConsumer(handler, tuned(settings, instance="a"))):
            await until(lambda: bool(again.assigned))
            await publisher.publish(rows(names(60)))
            await until(lambda: len(handler.done) + len(other.done) == 60)
            assert bystander.assigned == kept


@contextlib.asynccontextmanager
async def raw_producer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def test_the_lag_is_what_the_group_has_not_committed(settings: KafkaSettings, publisher: KafkaPublisher) -> None:
    assert await read_lag(settings) == Lag(0, None)
    sent = rows(names(100))
    await publisher.publish(sent)
    assert await read_lag(settings) == Lag(100, 0)
    metrics, stop = Metrics(), asyncio.Event()
    watching = asyncio.create_task(watch_lag(settings, metrics, stop))
    await until(lambda: metrics.registry.get_sample_value("syncline_consumer_lag_records") == 100)
    stop.set()
    await watching
    handler = Recording()
    consumer = KafkaConsumer(handler, settings)
    async with running(consumer):
        await until(lambda: len(handler.done) == 100)
        handler.out = True
        await publisher.publish(rows(names(90))[50:])
        await until(lambda: consumer.paused is not None)
        lag = await read_lag(settings)
    assert lag.records == 40
    assert lag.oldest is not None
    assert 50 <= lag.oldest < 60
