"""From the outbox into the index: relay and handler against the raw client, end to end against embed + upsert, CPU, memory.

The raw side upserts the very points that Syncline wrote, with the same client on disk, in the batches that suit it best.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wordllama
from qdrant_client import QdrantClient, models

from syncline_contracts.revision import Clock
from syncline_store.embedding.protocol import Embedder
from syncline_store.embedding.wordllama import WordLlamaEmbedder
from syncline_store.index.points import VECTOR
from syncline_store.indexing import Indexer
from syncline_store.parts import Parts, open_parts
from syncline_store.settings import IndexingSettings, store_settings
from syncline_store.store import Store
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport import DirectPublisher
from tests.benchmarks.corpus import texts, values
from tests.benchmarks.figure import Figure
from tests.benchmarks.null_index import NullIndex
from tests.benchmarks.peak import peak_mb
from tests.parts.embedders import NullEmbedder

DIMENSIONS = 256
DOCUMENTS = 2_000
ROUNDS = 3
RAW_BATCH = 128
COLLECTION = "syncline"
HELD = 20_000

warnings.filterwarnings("ignore", message="Local mode is not recommended")


async def fill(store: Store, count: int) -> None:
    tenant = store.tenant("bench")
    await tenant.put_many((("notes",), f"n{number}", value) for number, value in enumerate(values(count)))


def relay(parts: Parts, indexer: Any) -> Relay:
    handler = Handler(indexer, parts.engine.dead_letters, clock=parts.clock)
    return Relay(parts.engine, DirectPublisher(handler), clock=parts.clock)


async def ours(folder: Path, embedder: Embedder, *, puts_too: bool) -> float:
    """Seconds to bring DOCUMENTS into a new index on disk; with `puts_too`, from the first put on."""
    settings = store_settings(store=f"sqlite:///{folder / 'documents.db'}", index=f"path:{folder / 'index'}", indexing="relay")
    parts = await open_parts(settings, embedder=embedder)
    async with Store(parts) as store:
        indexer = await parts.indexer()
        before = time.perf_counter()
        await fill(store, DOCUMENTS)
        stored = time.perf_counter()
        await relay(parts, indexer).drain()
        return time.perf_counter() - (before if puts_too else stored)


def written(folder: Path) -> list[models.PointStruct]:
    client = QdrantClient(path=str(folder / "index"))
    records, _ = client.scroll(COLLECTION, limit=1_000_000, with_vectors=True)
    client.close()
    return [models.PointStruct(id=record.id, vector=record.vector or {}, payload=record.payload) for record in records]


def raw(folder: Path, points: Sequence[models.PointStruct], embed: Any = None) -> float:
    """Seconds to upsert the same points; with `embed`, to embed their texts first, batch by batch."""
    client = QdrantClient(path=str(folder))
    client.create_collection("raw", vectors_config={VECTOR: models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)})
    sources = texts(DOCUMENTS)
    started = time.perf_counter()
    for first in range(0, len(points), RAW_BATCH):
        batch = list(points[first : first + RAW_BATCH])
        if embed is not None:
            for point, vector in zip(batch, embed(sources[first : first + RAW_BATCH]), strict=False):
                point.vector = {VECTOR: vector.tolist()}
        client.upsert("raw", batch)
    seconds = time.perf_counter() - started
    client.close()
    return seconds


async def compare(name: str, embedder: Embedder, embed: Any, *, puts_too: bool) -> Figure:
    mine, theirs = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            mine.append(DOCUMENTS / await ours(folder, embedder, puts_too=puts_too))
            points = written(folder)
            theirs.append(DOCUMENTS / await asyncio.to_thread(raw, folder / "raw", points, embed))
    return Figure(name, statistics.median(mine), statistics.median(theirs), "docs/s", goal=0.5)


async def cpu() -> Figure:
    """CPU microseconds a document from outbox row to acknowledged, with an index that costs nothing; raw: reading the rows alone."""
    with tempfile.TemporaryDirectory() as place:
        settings = store_settings(store=f"sqlite:///{Path(place) / 'documents.db'}", index=":memory:", indexing="relay")
        parts = await open_parts(settings, embedder=NullEmbedder(DIMENSIONS))
        async with Store(parts) as store:
            await fill(store, DOCUMENTS)
            index: Any = NullIndex(DIMENSIONS)
            indexer = Indexer(
                parts.engine, index, parts.embedder, clock=Clock(), settings=IndexingSettings(), tombstone_grace=settings.tombstone_grace_us
            )
            before = time.process_time()
            handled = await relay(parts, indexer).drain()
            used = time.process_time() - before
        assert handled == DOCUMENTS
    return Figure("CPU a document, null index", used / DOCUMENTS * 1e6, None, "us", better="lower")


def hold(folder: str) -> None:
    """In a process of its own: bring HELD documents into an index, print the peak of resident memory in MB."""
    asyncio.run(_hold(Path(folder)))
    print(json.dumps(peak_mb()))


async def _hold(folder: Path) -> None:
    settings = store_settings(store=f"sqlite:///{folder / 'documents.db'}", index=f"path:{folder / 'index'}", indexing="relay")
    parts = await open_parts(settings, embedder=NullEmbedder(DIMENSIONS))
    async with Store(parts) as store:
        await fill(store, HELD)
        await relay(parts, await parts.indexer()).drain()


def memory() -> Figure:
    """Peak resident memory of a process that indexed 20,000 documents locally, and of one with qdrant-client alone and the same points."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        mine = _peak("-c", f"from tests.benchmarks.pipeline import hold; hold({place!r})")
        with (folder / "points.jsonl").open("w") as file:
            file.writelines(point.model_dump_json() + "\n" for point in written(folder))
        theirs = _peak("-m", "tests.benchmarks.hold_raw", str(folder / "points.jsonl"), str(folder / "raw"), VECTOR, str(DIMENSIONS))
    return Figure(f"memory at {HELD:,} documents", mine, theirs, "MB", better="lower", most_above=100.0)


def _peak(*command: str) -> float:
    done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True, timeout=900)
    return float(json.loads(done.stdout))


async def bench() -> list[Figure]:
    null = NullEmbedder(DIMENSIONS)
    model = WordLlamaEmbedder(DIMENSIONS)
    await model.embed_documents(["warm"])
    figures = [await compare("relay + handler, null embedder", null, None, puts_too=False)]
    figures.append(await compare("put to indexed, WordLlama", model, raw_embedding(), puts_too=True))
    figures.append(await cpu())
    figures.append(await asyncio.to_thread(memory))
    return figures


def raw_embedding() -> Any:
    model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, dim=DIMENSIONS, disable_download=True)
    return lambda batch: model.embed(list(batch), norm=True)


if __name__ == "__main__":
    for figure in asyncio.run(bench()):
        print(figure)
