"""events/s of relay and Kafka publisher over a backlog in SQLite and in CQL, against a raw idempotent producer that sends the same bytes.

The raw producer has its records ready in memory, keys, values and headers as bytes; the relay reads rows, encodes, publishes, and
remembers. Both use the same batch size, and take turns on one broker. Put -> handled is measured at a steady rate.
"""

import asyncio
import gc
import logging
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from aiokafka import AIOKafkaProducer

from syncline_contracts import codec
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.cql import open_cql
from syncline_store.engines.protocol import Engine, OutboxRow, Pos
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.indexing.delivery import Delivery
from syncline_store.parts import open_parts
from syncline_store.settings import store_settings
from syncline_store.store import Store
from syncline_store.testing import WordEmbedder
from syncline_sync_worker.handler import Done, Undecodable, Verdict
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport.kafka import KafkaSettings
from syncline_sync_worker.transport.kafka.connection import client_options
from syncline_sync_worker.transport.kafka.consumer import KafkaConsumer
from syncline_sync_worker.transport.kafka.publisher import KafkaPublisher
from syncline_sync_worker.transport.kafka.topics import ensure_topics
from tests.benchmarks.figure import Figure
from tests.parts.consuming import until
from tests.parts.servers import cql
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
BACK = 600_000_000
"""µs: a backlog is older than the overlaps, which would read it twice."""
KEYSPACE = "syncline_bench_kafka"
PUT_TOGETHER = 64
"""Rows of a group commit; the next one goes to the next shard."""
Sent = tuple[bytes, bytes, list[tuple[str, bytes]]]


def events(count: int) -> list[ChangeEvent]:
    now = Clock().now() - BACK
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


async def ours(settings: KafkaSettings, engine: Engine, backlog: Sequence[ChangeEvent]) -> float:
    """events/s of a relay with this backlog in this engine's outbox."""
    clock, publisher = Clock(), KafkaPublisher(settings)
    try:
        for first in range(0, len(backlog), PUT_TOGETHER):
            await engine.outbox.append(backlog[first : first + PUT_TOGETHER], clock.now() - BACK)
        await publisher.publish([OutboxRow(0, Pos(0), events(1)[0])])  # connect, as the raw producer does before it is timed
        started = time.perf_counter()
        published = await Relay(engine, publisher, clock=clock).drain()
        took = time.perf_counter() - started
    finally:
        await publisher.aclose()
    if published < len(backlog):
        raise RuntimeError(f"{published} of {len(backlog)} events were published")
    return published / took


@asynccontextmanager
async def in_sqlite() -> AsyncIterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder:
        async with await open_sqlite(str(Path(folder) / "outbox.db"), clock=Clock()) as engine:
            yield engine


@asynccontextmanager
async def in_cql() -> AsyncIterator[Engine]:
    engine = await open_cql(cql.settings(KEYSPACE), clock=Clock())
    try:
        await engine.migrate()
        await asyncio.to_thread(cql.empty, KEYSPACE)
        yield engine
    finally:
        await engine.aclose()


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


async def latency(settings: KafkaSettings, engine: Engine) -> tuple[float, float]:
    """p50 and p99, ms, from the call of put to the handler, at RATE puts a second; writer, relay and worker share one process."""
    clock, stop, arrivals = Clock(), asyncio.Event(), Arrivals()
    begun: dict[str, float] = {}
    publisher = KafkaPublisher(settings)
    parts = await open_parts(store_settings(index=":memory:", indexing="relay"), embedder=WordEmbedder(), engine=engine, clock=clock)
    store = Store(parts)
    notes = store.tenant("bench")

    async def put(key: str) -> None:
        begun[key] = time.perf_counter()
        await notes.put(("n",), key, {"text": "x" * 1_000})

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(Relay(engine, publisher, clock=clock).run(stop))
            group.create_task((consumer := KafkaConsumer(arrivals, settings)).run(stop))
            await until(lambda: bool(consumer.assigned))
            first = time.perf_counter()
            for number in range(PUTS):
                await asyncio.sleep(max(0.0, first + number / RATE - time.perf_counter()))
                group.create_task(put(f"n{number}"))
            await until(lambda: len(arrivals.at) == PUTS)
            stop.set()
    finally:
        await publisher.aclose()
        await store.aclose()
    waits = sorted((arrivals.at[key] - at) * 1000 for key, at in list(begun.items())[WARM:])
    return statistics.median(waits), waits[int(len(waits) * 0.99)]


async def bench() -> list[Figure]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))  # as in a process: two lines a batch else
    with kafka_server() as server:
        settings = kafka_settings(server.address, partitions=PARTITIONS)
        await ensure_topics(settings)
        backlog = events(EVENTS)
        ready = [as_sent(event) for event in backlog]
        await raw(settings, ready)
        gc.collect()
        gc.freeze()  # as the relay's process does
        figures = []
        for name, source in (("SQLite", in_sqlite), ("CQL", in_cql)):
            turns = []
            for _ in range(ROUNDS):
                async with source() as engine:
                    turns.append((await ours(settings, engine, backlog), await raw(settings, ready)))
            mine, other = (statistics.median(side) for side in zip(*turns, strict=True))
            figures.append(Figure(f"relay to Kafka, backlog in {name}", mine, other, "events/s", goal=0.5))
        quiet = kafka_settings(server.address, partitions=PARTITIONS)
        await ensure_topics(quiet)
        async with in_cql() as engine:
            median, tail = await latency(quiet, engine)
    return [
        *figures,
        Figure(f"put on CQL -> handled at {RATE}/s, p50", median, None, "ms"),
        Figure(f"put on CQL -> handled at {RATE}/s, p99", tail, None, "ms"),
    ]
