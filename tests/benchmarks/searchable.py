"""From put to search: how long until a search shows what was put, while puts come at a steady rate.

`python -m tests.benchmarks searchable` measures the direct mode: store, relay and handler in this process, SQLite in a file, the index on
the stand-in by URL, null embedder. `searchable_stack` measures the distributed mode: a CQL server, Kafka, one relay and one worker with
WordLlama, each a process of its own; only puts and searches are this one's.
"""

import asyncio
import contextlib
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
PATIENCE = 30.0
DIMENSIONS = 256
NOTES = ("notes",)


class Load:
    """Puts at a rate, each with a number of its own; of some it is measured when a search shows it."""

    def __init__(self, tenant: TenantView, first: int) -> None:
        self._tenant = tenant
        self._number = first
        self._values = values(1_000)
        self._vector = np.full(DIMENSIONS, DIMENSIONS**-0.5, np.float32)
        self.seen: list[float] = []
        """Seconds from before the put until a search showed it."""
        self.put: list[float] = []
        self._last = 0.0
        """When the last put returned."""

    async def run(self, rate: int, seconds: float) -> float:
        """Gives the puts a second that there really were, until the last one returned."""
        began, sent, sampled = time.perf_counter(), 0, 0
        async with asyncio.TaskGroup() as group:
            while (now := time.perf_counter() - began) < seconds:
                while sent < now * rate:
                    sample = sampled <= now * SAMPLES
                    sampled += sample
                    sent += 1
                    group.create_task(self._one(sample=sample))
                await asyncio.sleep(TICK)
        return sent / (self._last - began)

    async def _one(self, *, sample: bool) -> None:
        self._number += 1
        number, began = self._number, time.perf_counter()
        await self._tenant.put(NOTES, f"n{number}", {**self._values[number % 1_000], "number": number})
        self._last = time.perf_counter()
        self.put.append(self._last - began)
        if sample:
            with contextlib.suppress(TimeoutError):  # then it counts as PATIENCE: the rate is more than this machine bears
                async with asyncio.timeout(PATIENCE):
                    while not await self._tenant.search(NOTES, vector=self._vector, filter={"number": number}, limit=1):  # noqa: ASYNC110 - a server tells nobody
                        await asyncio.sleep(POLL)
            self.seen.append(time.perf_counter() - began)


async def measured(store: Store, where: str) -> list[Figure]:
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
