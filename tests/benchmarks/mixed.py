"""A hundred clients at once, four reads to one write, and now and then a search: ours against the driver and the client by hand.

Documents on a CQL server, the index on the stand-in by URL, null embedder; relay and worker elsewhere, so that what is written
meanwhile is not indexed. By hand, a search is a filtered query and one grouped read of what it found, since the app wants documents.
"""

import asyncio
import json
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.revision import Clock
from syncline_store import Store, open_store
from syncline_store.engines.columns import encoded
from syncline_store.engines.cql import open_cql
from syncline_store.engines.cql.partition import bucket
from syncline_store.index.points import VECTOR, Field
from syncline_store.tenant import TenantView
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport import DirectPublisher
from tests.benchmarks.corpus import values
from tests.benchmarks.cql_raw import BUCKETS, TENANT, VALUE, Raw
from tests.benchmarks.figure import Figure
from tests.parts.embedders import NullEmbedder
from tests.parts.servers import cql
from tests.parts.servers.qdrant import qdrant_server

CLIENTS = 100
ROUNDS = 5
SECONDS = 3.0
DOCUMENTS = 5_000
DIMENSIONS = 256
HITS = 5
MIX = {"get": 80, "put": 15, "search": 5}
NOTES = ("notes",)


class Ours:
    def __init__(self, view: TenantView, given: Sequence[dict[str, Any]], vector: list[float]) -> None:
        self._view, self._values, self._vector = view, given, vector

    async def get(self, number: int) -> None:
        assert await self._view.get(NOTES, f"k{number}")

    async def put(self, number: int) -> None:
        await self._view.put(NOTES, f"k{number}", self._values[number])

    async def search(self, number: int) -> None:
        await self._view.search(NOTES, vector=self._vector, filter={"kind": ("note", "page")[number % 2]}, limit=HITS)


class ByHand:
    def __init__(self, raw: Raw, qdrant: AsyncQdrantClient, collection: str, vector: list[float]) -> None:
        self._raw, self._qdrant, self._collection, self._vector = raw, qdrant, collection, vector

    async def get(self, number: int) -> None:
        assert await self._documents([f"k{number}"])

    async def put(self, number: int) -> None:
        await self._ask(self._raw.batch(1, number, created=True))

    async def search(self, number: int) -> None:
        equal = {Field.TENANT: TENANT, Field.NAMESPACES: encoded(NOTES), f"{Field.FIELDS}.kind": ("note", "page")[number % 2]}
        must = [models.FieldCondition(key=name, match=models.MatchValue(value=value)) for name, value in equal.items()]
        found = await self._qdrant.query_points(
            self._collection,
            query=self._vector,
            using=VECTOR,
            query_filter=models.Filter(must=must),  # type: ignore[arg-type] # a list of one kind of condition
            limit=HITS,
            with_payload=[Field.KEY],
        )
        await self._documents([(point.payload or {})[Field.KEY] for point in found.points])

    async def _documents(self, keys: Sequence[str]) -> list[Any]:
        partitions: dict[int, list[str]] = defaultdict(list)
        for key in keys:
            partitions[bucket(key, BUCKETS)].append(key)
        pages = await asyncio.gather(*(self._ask(self._raw.read(encoded(NOTES), number, some)) for number, some in partitions.items()))
        return [json.loads(row[VALUE]) for rows in pages for row in rows]

    def _ask(self, request: Any) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._raw.session.execute_async(request).add_callbacks(
            lambda rows: loop.call_soon_threadsafe(answer.set_result, rows or []),
            lambda error: loop.call_soon_threadsafe(answer.set_exception, error),
        )
        return answer


async def play(side: Ours | ByHand, times: dict[str, list[float]]) -> float:
    """Operations a second; their times are added, in s."""
    names, weights = list(MIX), list(MIX.values())
    began, done = time.perf_counter(), 0

    async def client(dice: random.Random) -> None:
        nonlocal done
        while (start := time.perf_counter()) - began < SECONDS:
            name = dice.choices(names, weights)[0]
            await getattr(side, name)(dice.randrange(DOCUMENTS))
            times[name].append(time.perf_counter() - start)
            done += 1

    await asyncio.gather(*(client(random.Random(number)) for number in range(CLIENTS)))
    return done / (time.perf_counter() - began)


async def fill(store: Store, given: Sequence[dict[str, Any]]) -> None:
    """Written and indexed, as an app and its worker do."""
    results = await store.tenant(TENANT).put_many((NOTES, f"k{number}", value) for number, value in enumerate(given))
    assert all(isinstance(result, int) for result in results)
    parts = store.parts
    handler = Handler(await parts.indexer(), parts.engine.dead_letters, clock=parts.clock)
    await Relay(parts.engine, DirectPublisher(handler), clock=parts.clock).drain()


def figures(speed: dict[str, list[float]], times: dict[str, dict[str, list[float]]]) -> list[Figure]:
    ours, raw = (float(np.median(speed[name])) for name in ("ours", "by hand"))
    made = [Figure(f"mixed, {CLIENTS} clients, 80 % get 15 % put 5 % search", ours, raw, "ops/s")]
    for name in MIX:
        for percent in (50, 95, 99):
            both = [float(np.percentile(times[side][name], percent)) * 1_000 for side in ("ours", "by hand")]
            made.append(Figure(f"  {name} p{percent}", both[0], both[1], "ms", better="lower"))
    return made


async def bench() -> list[Figure]:
    keyspace, collection = f"bench{uuid.uuid4().hex[:8]}", f"bench-{uuid.uuid4().hex}"
    given, vector = values(DOCUMENTS), [DIMENSIONS**-0.5] * DIMENSIONS
    clock = Clock()
    engine = await open_cql(cql.settings(keyspace), clock=clock)
    try:
        with qdrant_server() as server:
            opening = open_store(
                engine=engine,
                clock=clock,
                indexing="relay",
                migrate=True,
                index=server.url,
                collection=collection,
                embedder=NullEmbedder(DIMENSIONS),
            )
            async with opening as store, AsyncExitStack() as stack:
                qdrant = AsyncQdrantClient(url=server.url, check_compatibility=False)
                stack.push_async_callback(qdrant.close)
                await fill(store, given)
                raw = Raw(keyspace, given[0], SECONDS)
                sides: dict[str, Ours | ByHand] = {
                    "ours": Ours(store.tenant(TENANT), given, vector),
                    "by hand": ByHand(raw, qdrant, collection, vector),
                }
                speed: dict[str, list[float]] = defaultdict(list)
                times: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in sides}
                for number in range(1 + ROUNDS):  # the first is not counted: the JVM compiles what runs often
                    for name, side in sides.items():
                        found = await play(side, times[name] if number else defaultdict(list))
                        speed[name] += [found] * bool(number)
                return figures(speed, times)
    finally:
        cql.drop(keyspace)
