"""events/s of relay and Kafka publisher over a backlog in SQLite, against a raw idempotent producer that sends the same bytes.

The raw producer has its records ready in memory, keys, values and headers as bytes; the relay reads rows, encodes, publishes, and
remembers. Both use the same batch size, and take turns on one broker. Put -> handled is measured at a steady rate, one put at a time.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from aiokafka import AIOKafkaProducer

from syncline_contracts import codec
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.handler import Done, Undecodable, Verdict
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport.kafka import KafkaSettings
from syncline_sync_worker.transport.kafka.connection import client_options
from syncline_sync_worker.transport.kafka.consumer import KafkaConsumer
from syncline_sync_worker.transport.kafka.publisher import KafkaPublisher
from syncline_sync_worker.transport.kafka.topics import ensure_topics
from tests.benchmarks.figure import Figure
from tests.parts.servers.kafka import kafka_server
from tests.parts.topics import kafka_settings

EVENTS = 10_000
ROUNDS = 5
PARTITIONS = 12
RATE = 500
PUTS = 3_000
WARM = 500
"""Of these, not counted: the first fetch, and the JVM's first time in its paths."""
UNDER_WAY = 5_000
BACK = 60_000_000
"""µs: a backlog is older than the overlaps, which would read it twice."""
PUT_TOGETHER = 64
"""Rows of a group commit; the next one goes to the next shard."""
Sent = tuple[bytes, bytes, list[tuple[str, bytes]]]


def events(count: int) -> list[ChangeEvent]:
    now = Clock().now() - 60_000_000
    return [
        ChangeEvent.of(Ref("bench", ("notes", "of", "today"), f"document-{number}"), now + number, Kind.WRITE, first_at=now + number)
        for number in range(count)
    ]


def as_sent(event: ChangeEvent) -> Sent:
    body, headers = codec.encode(event)
    return event.ref.document.bytes, body, [(name, value.encode()) for name, value in headers.items()]


async def raw(settings: KafkaSettings, ready: Sequence[Sent]) -> float:
    """events/s of the producer alone."""
    size = settings.producer.max_batch_bytes
    producer = AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True, max_batch_size=size)
    await producer.start()
    try:
        await producer.send_and_wait(settings.events.name, b"", key=b"warm")
        started = time.perf_counter()
        for first in range(0, len(ready), UNDER_WAY):
            await asyncio.gather(
                *[
                    await producer.send(settings.events.name, value, key=key, headers=headers)
                    for key, value, headers in ready[first : first + UNDER_WAY]
                ]
            )
        return len(ready) / (time.perf_counter() - started)
    finally:
        await producer.stop()


async def ours(settings: KafkaSettings, backlog: Sequence[ChangeEvent]) -> float:
    """events/s of a relay with this backlog."""
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder:
        engine = await open_sqlite(str(Path(folder) / "outbox.db"), clock=clock)
        publisher = KafkaPublisher(settings)
        try:
            for first in range(0, len(backlog), PUT_TOGETHER):
                await engine.outbox.append(backlog[first : first + PUT_TOGETHER], clock.now() - BACK)
            await publisher.publish([OutboxRow(0, Pos(0), events(1)[0])])  # connect, as the raw producer does before it is timed
            started = time.perf_counter()
            published = await Relay(engine, publisher, clock=clock).drain()
            took = time.perf_counter() - started
        finally:
            await publisher.aclose()
            await engine.aclose()
    if published < len(backlog):
        raise RuntimeError(f"{published} of {len(backlog)} events were published")
    return published / took


class Arrivals:
    """A handler that notes when each event arrived."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    async def handle(self, deliveries: Sequence[Delivery | Undecodable]) -> Verdict:
        now = time.perf_counter()
        for one in deliveries:
            if isinstance(one, Delivery):
                self.at.setdefault(one.event.key, now)
        return Done()


async def latency(settings: KafkaSettings) -> tuple[float, float]:
    """p50 and p99, ms, from the outbox row to the handler, at RATE a second."""
    clock, stop, arrivals, begun = Clock(), asyncio.Event(), Arrivals(), {}
    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder:
        engine = await open_sqlite(str(Path(folder) / "outbox.db"), clock=clock)
        publisher = KafkaPublisher(settings)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(Relay(engine, publisher, clock=clock).run(stop))
                group.create_task(KafkaConsumer(arrivals, settings).run(stop))
                await asyncio.sleep(3)
                first = time.perf_counter()
                for number in range(PUTS):
                    await asyncio.sleep(max(0.0, first + number / RATE - time.perf_counter()))
                    now = clock.now()
                    begun[f"n{number}"] = time.perf_counter()
                    await engine.outbox.append([ChangeEvent.of(Ref("bench", ("n",), f"n{number}"), clock.tick(), Kind.WRITE, first_at=now)])
                async with asyncio.timeout(30):
                    while len(arrivals.at) < PUTS:  # noqa: ASYNC110 - they tell nobody
                        await asyncio.sleep(0.01)
                stop.set()
        finally:
            await publisher.aclose()
            await engine.aclose()
    waits = sorted((arrivals.at[key] - at) * 1000 for key, at in list(begun.items())[WARM:])
    return statistics.median(waits), waits[int(len(waits) * 0.99)]


async def bench() -> list[Figure]:
    with kafka_server() as server:
        settings = kafka_settings(server.address, partitions=PARTITIONS)
        await ensure_topics(settings)
        backlog = events(EVENTS)
        ready = [as_sent(event) for event in backlog]
        await raw(settings, ready)
        turns = [(await ours(settings, backlog), await raw(settings, ready)) for _ in range(ROUNDS)]
        quiet = kafka_settings(server.address, partitions=PARTITIONS)
        await ensure_topics(quiet)
        median, tail = await latency(quiet)
    return [
        Figure(
            "relay to Kafka, backlog",
            statistics.median(turn[0] for turn in turns),
            statistics.median(turn[1] for turn in turns),
            "events/s",
            goal=0.5,
        ),
        Figure(f"outbox row -> handled at {RATE}/s, p50", median, None, "ms"),
        Figure(f"outbox row -> handled at {RATE}/s, p99", tail, None, "ms"),
    ]
