"""The store's puts and gets on a real CQL server, against statements of the raw driver written by hand, in the same run.

Ours is what an app calls: a tenant's `put`, `get`, `put_many` and `get_many`, with relay and worker elsewhere; both sides turn dicts into
JSON and back. Sides run in short rounds in turn, medians count.
"""

import asyncio
import random
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from syncline_contracts.revision import Clock
from syncline_store import open_store
from syncline_store.engines.columns import encoded
from syncline_store.engines.cql import open_cql
from syncline_store.engines.cql.partition import bucket
from syncline_store.tenant import TenantView
from tests.benchmarks.cql_raw import BUCKETS, TENANT, Raw
from tests.benchmarks.figure import Figure
from tests.parts.servers import cql

ROUNDS = 7
SECONDS = 1.0
MANY = 64
TOGETHER = 16
"""Documents in a batch by hand, and in ours."""
BULK = 500
"""Documents of one get_many."""
VALUE = {"text": "x" * 1_000}
NOTES = ("notes",)

Side = Callable[[], Awaitable[float]]


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


async def in_turn(sides: dict[str, Side]) -> dict[str, float]:
    """The median of each side's rounds. The first round is not counted: the JVM compiles what runs often."""
    seen: dict[str, list[float]] = defaultdict(list)
    for number in range(1 + ROUNDS):
        for name, side in sides.items():
            found = await side()
            if number:
                seen[name].append(found)
    return {name: statistics.median(found) for name, found in seen.items()}


class Writes:
    """Puts of both sides."""

    def __init__(self, view: TenantView, raw: Raw) -> None:
        self._view = view
        self._raw = raw

    async def figures(self) -> list[Figure]:
        """All that concerns writing."""
        found = await in_turn(
            {
                "put": lambda: self._ours(MANY),
                "grouped": lambda: self._grouped(created=False),
                "single": lambda: asyncio.to_thread(self._raw.rate, lambda number: self._raw.batch(1, number), MANY),
                "put_many": self._put_many,
                "grouped, created": lambda: self._grouped(created=True),
                "one": self._one,
                "one by hand": lambda: asyncio.to_thread(self._raw.latency, lambda number: self._raw.batch(1, number)),
                "one by hand, created": lambda: asyncio.to_thread(
                    self._raw.latency, lambda number: self._raw.batch(1, number, created=True)
                ),
            }
        )
        grouped, created, single = found["grouped"], found["grouped, created"], found["single"]
        return [
            Figure(f"cql put, {MANY} clients (raw: batches of {TOGETHER})", found["put"], grouped, "put/s", goal=0.8),
            Figure("  the same (raw: with created_at, as ours)", found["put"], created, "put/s"),
            Figure(f"cql put, {MANY} clients (raw: single batches)", found["put"], single, "put/s", goal=3.0),
            Figure(f"  raw batches of {TOGETHER} (raw: single batches)", grouped, single, "put/s"),
            Figure("cql put, 1 client, p50", found["one"], found["one by hand"], "ms", goal=1.15, better="lower"),
            Figure("  the same (raw: with created_at, as ours)", found["one"], found["one by hand, created"], "ms"),
            Figure(f"cql put_many (raw: batches of {TOGETHER})", found["put_many"], grouped, "docs/s", goal=0.8),
        ]

    async def _put(self, key: str) -> None:
        await self._view.put(NOTES, key, VALUE)

    async def _ours(self, clients: int) -> float:
        return (await rate(self._put, clients))[0]

    async def _one(self) -> float:
        return (await rate(self._put, 1))[1]

    async def _grouped(self, *, created: bool) -> float:
        batches = await asyncio.to_thread(
            self._raw.rate, lambda number: self._raw.batch(TOGETHER, number, created=created), MANY // TOGETHER
        )
        return TOGETHER * batches

    async def _put_many(self) -> float:
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            results = await self._view.put_many((NOTES, f"many-{number}", VALUE) for number in range(1_024))
            assert all(isinstance(result, int) for result in results)
            done += len(results)
        return done / (time.perf_counter() - started)


class Reads:
    """Gets of both sides: of namespaces with one document each, and of one namespace with many."""

    def __init__(self, view: TenantView, raw: Raw) -> None:
        self._view = view
        self._raw = raw
        self._apart = [((f"ns{number}",), "k") for number in range(BULK)]
        self._together = [(("many",), f"k{number}") for number in range(BULK)]

    async def figures(self) -> list[Figure]:
        """All that concerns reading."""
        await self._view.put_many((*where, VALUE) for where in (*self._apart, *self._together))
        found = await in_turn(
            {
                "apart": lambda: self._ours(self._apart),
                "apart by hand": lambda: self._single(self._apart),
                "together": lambda: self._ours(self._together),
                "together by hand": lambda: self._single(self._together),
                "get_many": self._get_many,
                "grouped": self._grouped,
            }
        )
        apart, together = found["apart by hand"], found["together by hand"]
        return [
            Figure(f"cql get, {MANY} clients, partitions differ", found["apart"], apart, "get/s", goal=0.8),
            Figure(f"cql get, {MANY} clients, one namespace", found["together"], together, "get/s", goal=2.0),
            Figure("cql get_many (raw: `key IN` by partition)", found["get_many"], found["grouped"], "docs/s", goal=0.8),
        ]

    async def _ours(self, where: Sequence[tuple[tuple[str], str]]) -> float:
        async def one(_: str) -> None:
            assert await self._view.get(*random.choice(where)) is not None

        return (await rate(one, MANY))[0]

    async def _single(self, where: Sequence[tuple[tuple[str], str]]) -> float:
        def read(_: int) -> Any:
            namespace, key = random.choice(where)
            return self._raw.read(encoded(namespace), bucket(key, BUCKETS), [key])

        return await asyncio.to_thread(self._raw.rate, read, MANY)

    async def _get_many(self) -> float:
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            assert all(await self._view.get_many(self._together))
            done += BULK
        return done / (time.perf_counter() - started)

    async def _grouped(self) -> float:
        """One request a partition, all of them at once."""
        keys: dict[int, list[str]] = defaultdict(list)
        for _, key in self._together:
            keys[bucket(key, BUCKETS)].append(key)
        rounds = await asyncio.to_thread(
            self._raw.rounds, lambda: [self._raw.read(encoded(("many",)), number, some) for number, some in keys.items()]
        )
        return BULK * rounds


async def bench() -> list[Figure]:
    keyspace = f"bench{uuid.uuid4().hex[:8]}"
    clock = Clock()
    engine = await open_cql(cql.settings(keyspace), clock=clock)
    try:
        async with open_store(engine=engine, clock=clock, indexing="relay", migrate=True) as store:
            view, raw = store.tenant(TENANT), Raw(keyspace, VALUE, SECONDS)
            return [*await Writes(view, raw).figures(), *await Reads(view, raw).figures()]
    finally:
        cql.drop(keyspace)


if __name__ == "__main__":
    for figure in asyncio.run(bench()):
        print(figure)
