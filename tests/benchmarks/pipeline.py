"""From the outbox into the index: relay and handler against the raw client, end to end against embed + upsert, CPU, memory.

The raw side upserts the very points that Syncline wrote, with the same client on disk, in the batches that suit it best.
"""

import asyncio
import json
import resource
import shutil
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

from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER, Clock
from syncline_store.document import Row, canonical, content_hash
from syncline_store.embedding.protocol import Embedder
from syncline_store.embedding.wordllama import WordLlamaEmbedder
from syncline_store.index.points import VECTOR
from syncline_store.indexing import Indexer
from syncline_store.indexing.decide import Content
from syncline_store.indexing.passages import Passage
from syncline_store.indexing.points import living
from syncline_store.parts import Parts, open_parts
from syncline_store.settings import IndexingSettings, store_settings
from syncline_store.store import Store
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport import DirectPublisher
from tests.benchmarks.corpus import texts, values
from tests.benchmarks.figure import Figure
from tests.benchmarks.null_index import NullIndex
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


def held(kind: str, folder: str) -> None:
    """In a process of its own: hold HELD documents, print the peak of resident memory in MB."""
    if kind == "ours":
        asyncio.run(_hold(Path(folder)))
    else:
        points = _points()
        client = QdrantClient(path=str(Path(folder) / "raw"))
        client.create_collection("raw", vectors_config={VECTOR: models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)})
        for first in range(0, HELD, RAW_BATCH):
            client.upsert("raw", [next(points) for _ in range(min(RAW_BATCH, HELD - first))])
        client.close()
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def _points() -> Any:
    vectors = asyncio.run(NullEmbedder(DIMENSIONS).embed_documents(["x"]))
    for number, text in enumerate(texts(HELD)):
        value = canonical({"text": text, "kind": "note", "number": number})
        ref = Ref("bench", ("notes",), f"n{number}")
        row = Row(
            ref,
            number + 1,
            value,
            content_hash(value),
            ref.document,
            deleted=False,
            index_spec="",
            expires_at=NEVER,
            created_at=0,
            updated_at=0,
        )
        (point,) = living(row, Content([Passage(text, 0, len(text))], "0" * 32), vectors, model="null", segment=number % 4096)
        yield models.PointStruct(id=point.id, vector={VECTOR: point.vector.tolist()}, payload=point.payload)


async def _hold(folder: Path) -> None:
    settings = store_settings(store=f"sqlite:///{folder / 'documents.db'}", index=f"path:{folder / 'index'}", indexing="relay")
    parts = await open_parts(settings, embedder=NullEmbedder(DIMENSIONS))
    async with Store(parts) as store:
        await fill(store, HELD)
        await relay(parts, await parts.indexer()).drain()


def memory() -> Figure:
    """Peak resident memory of a process that brought 20,000 documents into its local index, against the raw client with the same points."""
    peaks = {}
    for kind in ("ours", "raw"):
        folder = tempfile.mkdtemp()
        try:
            command = [sys.executable, "-c", f"from tests.benchmarks.pipeline import held; held({kind!r}, {folder!r})"]
            peaks[kind] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=900).stdout)
        finally:
            shutil.rmtree(folder)
    return Figure(f"memory at {HELD:,} documents", peaks["ours"], peaks["raw"], "MB", better="lower", most_above=100.0)


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
