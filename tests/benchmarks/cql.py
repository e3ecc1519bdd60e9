"""put/s and get/s on a real CQL server, against hand-made statements of the raw driver in the same run.

Raw puts are logged batches of the same two rows a document, sent by callbacks without asyncio, as many documents under way as there
are clients on our side. Sides run in short rounds in turn, medians count.
"""

import asyncio
import secrets
import statistics
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from cassandra.query import BatchStatement, BatchType

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.document import Write, canonical, content_hash
from syncline_store.engines.cql import CqlEngine, open_cql
from syncline_store.engines.cql.partition import bucket
from syncline_store.engines.cql.statements import documents, outbox
from syncline_store.engines.protocol import NamespaceSettings, Stored, WriteOutcome
from syncline_store.group_commit import GroupCommit
from tests.benchmarks.figure import Figure
from tests.parts.servers import cql

ROUNDS = 4
SECONDS = 1.0
MANY = 64
TOGETHER = 16
TEXT = canonical({"text": "x" * 1_000})
HASH = content_hash(TEXT)
NAMESPACE = "notes\x01"

# ------------------------------------------------------------------ ours


class Ours:
    """The engine under a group commit, as the store has it."""

    def __init__(self, engine: CqlEngine, clock: Clock) -> None:
        self._clock = clock
        self._group: GroupCommit[Write, WriteOutcome] = GroupCommit(
            engine.documents.write, max_items=MANY, max_bytes=1_000_000, size_of=lambda write: len(write.value or "")
        )

    async def put(self, key: str) -> None:
        event = ChangeEvent.of(Ref("bench", ("notes",), key), self._clock.tick(), Kind.WRITE, first_at=self._clock.now())
        outcome = await self._group.submit(Write(TEXT, HASH, "", event))
        assert isinstance(outcome, Stored), outcome


async def rate(one: Callable[[str], Awaitable[object]], clients: int) -> tuple[float, float]:
    """How many a second, and the median of their times in ms."""
    started = time.perf_counter()
    times: list[float] = []

    async def client(number: int) -> None:
        while (begun := time.perf_counter()) - started < SECONDS:
            await one(f"{number}-{len(times)}")
            times.append(time.perf_counter() - begun)

    await asyncio.gather(*(client(number) for number in range(clients)))
    return len(times) / (time.perf_counter() - started), statistics.median(times) * 1e3


# ------------------------------------------------------------------ raw


class Raw:
    """Prepared statements of the driver, and nothing else."""

    def __init__(self, keyspace: str) -> None:
        self.session = cql.admin()
        self.put, self.event, self.read = (
            self.session.prepare(statement.text.replace("{keyspace}", keyspace))
            for statement in (documents.PUT, outbox.INSERT, documents.READ)
        )
        self.minute = time.time_ns() // 60_000_000_000

    def batch(self, count: int, number: int) -> BatchStatement:
        batch = BatchStatement(BatchType.LOGGED)
        for each in range(count):
            now, key = time.time_ns() // 1_000, f"raw-{number}-{each}"
            identifier = uuid.uuid4()
            batch.add(self.put.bind((now, 0, now, now, identifier, HASH, "", TEXT, False, 0, "bench", NAMESPACE, hash(key) % 8, key)))
            batch.add(
                self.event.bind((0, self.minute, uuid.uuid1(), identifier, "bench", NAMESPACE, key, now, "write", now, now, None, None, 60))
            )
        return batch

    def rate(self, make: Callable[[int], Any], under_way: int) -> float:
        """Requests a second, `under_way` of them at once; each answer sends the next request."""
        started, done = time.perf_counter(), 0
        finished = threading.Semaphore(0)
        lock = threading.Lock()

        def send(_: object = None) -> None:
            nonlocal done
            if time.perf_counter() - started > SECONDS:
                finished.release()
                return
            with lock:
                done += 1
                number = done
            self.session.execute_async(make(number)).add_callbacks(send, send)

        for _ in range(under_way):
            send()
        for _ in range(under_way):
            finished.acquire()
        return done / (time.perf_counter() - started)

    def latency(self, make: Callable[[int], Any]) -> float:
        """The median of one after the other, in ms."""
        times = []
        started = time.perf_counter()
        while (begun := time.perf_counter()) - started < SECONDS:
            self.session.execute(make(len(times)))
            times.append(time.perf_counter() - begun)
        return statistics.median(times) * 1e3


# ------------------------------------------------------------------ both


async def puts(ours: Ours, raw: Raw) -> list[Figure]:
    mine, grouped, single = [], [], []
    one, one_raw = [], []
    for _ in range(ROUNDS):
        mine.append((await rate(ours.put, MANY))[0])
        grouped.append(TOGETHER * await asyncio.to_thread(raw.rate, lambda number: raw.batch(TOGETHER, number), MANY // TOGETHER))
        single.append(await asyncio.to_thread(raw.rate, lambda number: raw.batch(1, number), MANY))
        one.append((await rate(ours.put, 1))[1])
        one_raw.append(await asyncio.to_thread(raw.latency, lambda number: raw.batch(1, number)))
    median = statistics.median
    return [
        Figure(f"cql put, {MANY} clients (raw: batches of {TOGETHER})", median(mine), median(grouped), "put/s", goal=0.8),
        Figure(f"cql put, {MANY} clients (raw: single batches)", median(mine), median(single), "put/s", goal=3.0),
        Figure("cql put, 1 client, p50", median(one), median(one_raw), "ms", goal=1.15, better="lower"),
    ]


async def gets(engine: CqlEngine, raw: Raw) -> list[Figure]:
    """One key a read where every partition differs; many keys of one namespace in one call."""
    refs = [Ref("bench", (f"ns{number}",), "k") for number in range(500)] + [
        Ref("bench", ("many",), f"k{number}") for number in range(1_000)
    ]
    writes = [Write(TEXT, HASH, "", ChangeEvent.of(ref, 64, Kind.WRITE, first_at=1)) for ref in refs]
    await engine.namespaces.ensure("bench", ("many",), NamespaceSettings())
    await engine.documents.write(writes)
    apart, together = refs[:500], refs[500:]
    where = [(ref.tenant, f"{ref.namespace[0]}\x01", engine_bucket(engine, ref), [ref.key]) for ref in apart]

    async def one(_: str) -> None:
        (row,) = await engine.documents.read([secrets.choice(apart)])
        assert row is not None

    mine, theirs, many = [], [], []
    for _ in range(ROUNDS):
        mine.append((await rate(one, MANY))[0])
        theirs.append(await asyncio.to_thread(raw.rate, lambda number: raw.read.bind(where[number % len(where)]), MANY))
        started = time.perf_counter()
        assert all(await engine.documents.read(together))
        many.append(len(together) / (time.perf_counter() - started))
    median = statistics.median
    return [
        Figure(f"cql get, {MANY} clients, partitions differ", median(mine), median(theirs), "get/s", goal=0.8),
        Figure("cql get_many of one namespace (raw: single reads)", median(many), median(theirs), "docs/s", goal=2.0),
    ]


def engine_bucket(engine: CqlEngine, ref: Ref) -> int:

    return bucket(ref.key, engine.namespaces.known_buckets(ref.tenant, f"{ref.namespace[0]}\x01") or 8)


async def bench() -> list[Figure]:
    keyspace = f"bench{uuid.uuid4().hex[:8]}"
    clock = Clock()
    engine = await open_cql(cql.settings(keyspace), clock=clock)
    try:
        await engine.migrate()
        ours, raw = Ours(engine, clock), Raw(keyspace)
        for _ in range(3):  # the JVM compiles what it runs often
            await rate(ours.put, MANY)
            await asyncio.to_thread(raw.rate, lambda number: raw.batch(1, number), MANY)
        return [*await puts(ours, raw), *await gets(engine, raw)]
    finally:
        await engine.aclose()
        cql.drop(keyspace)


if __name__ == "__main__":
    for figure in asyncio.run(bench()):
        print(figure)
