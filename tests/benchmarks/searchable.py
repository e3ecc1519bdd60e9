"""From put to search: how long until a search shows what was put, while puts come at a steady rate.

`python -m tests.benchmarks searchable` measures the direct mode: store, relay and handler in this process, SQLite in a file, the index on
the stand-in by URL, null embedder. `searchable_stack` measures the distributed mode: a CQL server, Kafka, one relay and one worker with
WordLlama, each a process of its own; only puts and searches are this one's.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np

from syncline_store import Store, open_store
from syncline_store.tenant import TenantView
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport import DirectPublisher
from tests.benchmarks.corpus import values
from tests.benchmarks.figure import Figure
from tests.parts.embedders import NullEmbedder
from tests.parts.servers.qdrant import qdrant_server

RATES = (100, 500, 1_000)
"""Puts a second."""
SECONDS = 5.0
WARM = 1.0
"""Seconds at the same rate before, which do not count."""
TICK = 0.01
SAMPLES = 12
"""Documents a second that are searched for."""
POLL = 0.005
MOST_ASKED = 100
PATIENCE = 30.0
DIMENSIONS = 256
NOTES = ("notes",)


class Watched:
    """Documents that were put and are looked for: one search at a time asks for all of them, so that looking costs the index little."""

    def __init__(self, tenant: TenantView) -> None:
        self._tenant = tenant
        self._vector = np.full(DIMENSIONS, DIMENSIONS**-0.5, np.float32)
        self._began: dict[str, float] = {}
        self.seen: list[float] = []
        """Seconds from before the put until a search showed it."""

    def add(self, name: str, began: float) -> None:
        self._began[name] = began

    async def run(self, stop: asyncio.Event) -> None:
        """Until it was told to stop and all were seen, or PATIENCE is over: then the rate is more than this machine bears."""
        while self._began or not stop.is_set():
            if self._began:
                wanted = list(self._began)[:MOST_ASKED]
                asked = {"name": {"$in": wanted}}
                hits = await self._tenant.search(NOTES, vector=self._vector, filter=asked, limit=MOST_ASKED)
                now = time.perf_counter()
                for hit in hits:
                    self.seen.append(now - self._began.pop(hit.document.key))
                for name in wanted:
                    if now - self._began.get(name, now) > PATIENCE:
                        self.seen.append(now - self._began.pop(name))
            await asyncio.sleep(POLL)


class Load:
    """Puts at a rate, each with a number of its own; of some it is measured when a search shows it."""

    def __init__(self, tenant: TenantView, first: int) -> None:
        self._tenant = tenant
        self._number = first
        self._values = values(1_000)
        self._watched = Watched(tenant)
        self.seen = self._watched.seen
        self.put: list[float] = []
        self._last = 0.0
        """When the last put returned."""

    async def run(self, rate: int, seconds: float) -> float:
        """Gives the puts a second that there really were, until the last one returned."""
        began, sent, sampled, stop = time.perf_counter(), 0, 0, asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watched.run(stop))
            async with asyncio.TaskGroup() as puts:
                while (now := time.perf_counter() - began) < seconds:
                    while sent < now * rate:
                        sample = sampled <= now * SAMPLES
                        sampled += sample
                        sent += 1
                        puts.create_task(self._one(sample=sample))
                    await asyncio.sleep(TICK)
            stop.set()
        return sent / (self._last - began)

    async def _one(self, *, sample: bool) -> None:
        self._number += 1
        name, value, began = f"n{self._number}", self._values[self._number % 1_000], time.perf_counter()
        if sample:
            self._watched.add(name, began)
        await self._tenant.put(NOTES, name, {**value, "name": name})
        self._last = time.perf_counter()
        self.put.append(self._last - began)


async def measured(store: Store, where: str) -> list[Figure]:
    await store.tenant("bench").configure(NOTES, filterable={"name": "keyword"})
    figures = []
    for place, rate in enumerate(RATES):
        await Load(store.tenant("bench"), place * 1_000_000).run(rate, WARM)
        load = Load(store.tenant("bench"), place * 1_000_000 + 500_000)
        real = await load.run(rate, SECONDS)
        figures.append(Figure(f"{where}, {rate}/s: puts that there were", real, None, "puts/s"))
        for name, times in (("put returns", load.put), ("put -> searchable", load.seen)):
            for percent in (50, 99):
                ms = float(np.percentile(times, percent)) * 1_000
                figures.append(Figure(f"{where}, {rate}/s: {name} p{percent} ({len(times)})", ms, None, "ms"))
    return figures


@asynccontextmanager
async def direct(url: str) -> AsyncIterator[Store]:
    """With a relay that runs, and all settings as they come."""
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'documents.db'}"
        async with open_store(database, embedder=NullEmbedder(DIMENSIONS), index=url, collection=uuid4().hex, indexing="relay") as store:
            parts, stop = store.parts, asyncio.Event()
            handler = Handler(await parts.indexer(), parts.engine.dead_letters, clock=parts.clock)
            relay = Relay(parts.engine, DirectPublisher(handler), clock=parts.clock)
            async with asyncio.TaskGroup() as group:
                group.create_task(relay.run(stop))
                yield store
                stop.set()


async def bench() -> list[Figure]:
    with qdrant_server() as server:
        async with direct(server.url) as store:
            return await measured(store, "direct")
