"""A check of 10,000, 100,000 and 1,000,000 documents on a real CQL server, and the index on the stand-in by REST.

Each figure is taken in a process of its own (reconcile_side.py), beside the drivers' raw scan of all token ranges and their raw scroll, one
after the other. Takes about ten minutes, most of it to write the documents.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from syncline_contracts.revision import Clock
from syncline_store.engines.cql import open_cql
from syncline_store.index.index import Index
from tests.benchmarks.figure import Figure
from tests.benchmarks.reconcile_corpus import EMBEDDER, PER_NAMESPACE, fill_index, fill_source
from tests.parts.servers import cql
from tests.parts.servers.cassandra import ADDRESS
from tests.parts.servers.qdrant import QdrantProcess

ROUNDS = {10_000: 3, 100_000: 3, 1_000_000: 1}
COLLECTION = "bench"
SECONDS = 60.0
"""The source side of the largest walk at most."""
MEMORY = 300.0
"""MB at most."""
PATIENCE = 600


@dataclass(frozen=True)
class Cost:
    """What one side took for all documents."""

    seconds: float
    cpu: float
    peak_mb: float
    documents: int


class Both:
    """Both servers, and how many namespaces they hold."""

    def __init__(self, folder: Path, keyspace: str, qdrant: QdrantProcess) -> None:
        self._folder = folder
        self.keyspace = keyspace
        self._qdrant = qdrant
        self._filled = 0

    @property
    def url(self) -> str:
        """The index's."""
        return self._qdrant.url

    async def prepare(self) -> None:
        """Empty, but of one store."""
        engine = await open_cql(cql.settings(self.keyspace), clock=Clock())
        await engine.migrate()
        index = await Index.open(self._qdrant.url, collection=COLLECTION, embedder=EMBEDDER)
        await index.claim(await engine.identity())
        await index.aclose()
        await engine.aclose()

    def fill(self, documents: int) -> None:
        """Up to so many."""
        namespaces = range(self._filled, documents // PER_NAMESPACE)
        fill_source(self.keyspace, namespaces)
        self._qdrant.kill()
        (shard,) = (each for each in (self._folder / "data").iterdir() if each.is_dir())
        fill_index(shard, namespaces)
        self._qdrant.start()
        self._filled = namespaces.stop

    def measure(self, side: str, rounds: int) -> Cost:
        """The medians; the highest peak."""
        found = [self._run(side) for _ in range(rounds)]
        return Cost(
            statistics.median(each.seconds for each in found),
            statistics.median(each.cpu for each in found),
            max(each.peak_mb for each in found),
            found[0].documents,
        )

    def _run(self, side: str) -> Cost:
        at = cql.server()
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.reconcile_side", side, self.keyspace, self._qdrant.url, COLLECTION],
            env=os.environ | {ADDRESS: f"{at.host}:{at.port}"},
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
            check=True,
        )
        return Cost(**json.loads(done.stdout))


@contextmanager
def both() -> Iterator[Both]:
    keyspace = f"bench{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        qdrant = QdrantProcess(Path(folder))
        cql.server()
        try:
            qdrant.start()
            yield Both(Path(folder), keyspace, qdrant)
        finally:
            qdrant.kill()
            cql.drop(keyspace)


def measured(servers: Both, documents: int, rounds: int) -> tuple[Cost, list[Figure]]:
    sides = ("source", "raw_source", "index", "raw_index", "check")
    cost = {side: servers.measure(side, rounds) for side in sides}
    assert all(each.documents == documents for each in cost.values()), cost
    check, source = cost["check"], cost["source"]
    raw = cost["raw_source"].seconds + cost["raw_index"].seconds
    raw_cpu = cost["raw_source"].cpu + cost["raw_index"].cpu
    name = f"reconcile {documents:,}"
    return check, [
        Figure(f"{name}: check (raw: scan + scroll)", documents / check.seconds, documents / raw, "docs/s", goal=0.5),
        Figure("  CPU of its process", check.cpu / documents * 1e6, raw_cpu / documents * 1e6, "µs/doc"),
        Figure("  the source's side alone", documents / source.seconds, documents / cost["raw_source"].seconds, "docs/s"),
        Figure("  the index's side alone", documents / cost["index"].seconds, documents / cost["raw_index"].seconds, "docs/s"),
        Figure("  the source's side, seconds (raw: the goal)", source.seconds, SECONDS, "s", goal=1.0, better="lower"),
        Figure("  peak of memory (raw: the goal)", check.peak_mb, MEMORY, "MB", goal=1.0, better="lower"),
    ]


async def bench() -> list[Figure]:
    figures: list[Figure] = []
    rates: dict[int, float] = {}
    with both() as servers:
        await servers.prepare()
        for documents, rounds in ROUNDS.items():
            await asyncio.to_thread(servers.fill, documents)
            if not rates:
                await asyncio.to_thread(servers.measure, "check", 1)  # the JVM compiles what runs often
            check, some = await asyncio.to_thread(measured, servers, documents, rounds)
            rates[documents] = documents / check.seconds
            figures += some
    *_, before, last = rates.values()
    return [*figures, Figure("reconcile: 1,000,000 (raw: 100,000)", last, before, "docs/s", goal=0.7)]
