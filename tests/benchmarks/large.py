"""A hundred thousand documents: imported end to end, and searched.

SQLite in a file, WordLlama, the index on the stand-in by URL; relay and handler run while `put_many` writes, as `syncline run` does. By hand
the same texts are embedded in the same batches and upserted unguarded, one batch embedded while another is sent. A search by hand is
the query alone: its embedding, the same conditions (tenant, namespace, living, not expired), and no documents read.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.identity import encode_namespace
from syncline_store import Store, open_store
from syncline_store.drafts import Prefix
from syncline_store.embedding.wordllama import WordLlamaEmbedder
from syncline_store.index.points import VECTOR, Field, Mark
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport import DirectPublisher
from tests.benchmarks.corpus import WORDS, values
from tests.benchmarks.figure import Figure
from tests.parts.servers.qdrant import qdrant_server

DOCUMENTS = 100_000
DIFFERENT = 5_000
"""Texts; documents share them, with a number of their own."""
BATCH = 256
SEARCHES = 200
NOTES = ("notes",)
TENANT = "bench"
DIMENSIONS = 256


_TEXTS = values(DIFFERENT)


def value(number: int) -> dict[str, Any]:
    """Its text is no other's."""
    shared = _TEXTS[number % DIFFERENT]
    return {**shared, "text": f"{number} {shared['text']}", "number": number}


async def imported(store: Store) -> float:
    """Documents a second, from the first put until the last point is there."""
    parts, stop = store.parts, asyncio.Event()
    relay = Relay(
        parts.engine, DirectPublisher(Handler(await parts.indexer(), parts.engine.dead_letters, clock=parts.clock)), clock=parts.clock
    )
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(relay.run(stop))
        puts: Iterator[tuple[Prefix, str, dict[str, Any]]] = ((NOTES, f"k{number}", value(number)) for number in range(DOCUMENTS))
        results = await store.tenant(TENANT).put_many(puts)
        assert all(isinstance(result, int) for result in results)
        stop.set()
        await running
    await relay.drain()
    return DOCUMENTS / (time.perf_counter() - began)


async def by_hand(qdrant: AsyncQdrantClient, embedder: WordLlamaEmbedder) -> float:
    """The same texts, embedded and upserted without guards into a collection of their own."""
    name = f"raw-{uuid4().hex}"
    await qdrant.create_collection(name, {VECTOR: models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)})
    await qdrant.create_payload_index(name, "tenant", models.PayloadSchemaType.KEYWORD)
    began = time.perf_counter()
    sending: asyncio.Task[Any] | None = None
    for first in range(0, DOCUMENTS, BATCH):
        some = [value(number) for number in range(first, min(first + BATCH, DOCUMENTS))]
        vectors = await embedder.embed_documents([each["text"] for each in some])
        if sending is not None:
            await sending
        sending = asyncio.create_task(_upsert(qdrant, name, first, some, vectors))
    if sending is not None:
        await sending
    took = time.perf_counter() - began
    await qdrant.delete_collection(name)
    return DOCUMENTS / took


async def _upsert(qdrant: AsyncQdrantClient, name: str, first: int, some: Sequence[dict[str, Any]], vectors: Any) -> None:
    points = [
        models.PointStruct(id=first + number, vector={VECTOR: vector.tolist()}, payload={"tenant": TENANT, **each})
        for number, (each, vector) in enumerate(zip(some, vectors, strict=True))
    ]
    await qdrant.upsert(name, points, wait=True)


async def searched(store: Store, qdrant: AsyncQdrantClient, embedder: WordLlamaEmbedder, collection: str) -> list[Figure]:
    """Both sides in turn, one question after the other."""
    tenant = store.tenant(TENANT)
    exactly = {Field.TENANT: TENANT, Field.NAMESPACES: encode_namespace(NOTES), Field.MARK: Mark.LIVE}
    must: list[models.Condition] = [models.FieldCondition(key=key, match=models.MatchValue(value=text)) for key, text in exactly.items()]
    must.append(models.FieldCondition(key=Field.EXPIRES_AT, range=models.Range(gt=time.time_ns() // 1_000)))
    ours, raw = [], []
    for number in range(SEARCHES):
        question = f"{WORDS[number % len(WORDS)]} and {WORDS[(7 * number + 3) % len(WORDS)]}"
        began = time.perf_counter()
        assert len(await tenant.search(NOTES, query=question, limit=10)) == 10
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        vector = (await embedder.embed_query(question)).tolist()
        await qdrant.query_points(collection, query=vector, using=VECTOR, query_filter=models.Filter(must=must), limit=10)
        raw.append(time.perf_counter() - began)
    made = []
    for percent in (50, 95):
        both = [float(np.percentile(side, percent)) * 1e3 for side in (ours, raw)]
        made.append(Figure(f"search among {DOCUMENTS:,}, 10 documents, p{percent}", both[0], both[1], "ms", better="lower"))
    return made


async def bench() -> list[Figure]:
    embedder, collection = WordLlamaEmbedder(DIMENSIONS), f"bench-{uuid4().hex}"
    with qdrant_server() as server, tempfile.TemporaryDirectory() as folder:
        async with contextlib.AsyncExitStack() as stack:
            qdrant = AsyncQdrantClient(url=server.url, check_compatibility=False, timeout=60)
            stack.push_async_callback(qdrant.close)
            database = f"sqlite:///{Path(folder) / 'documents.db'}"
            opening = open_store(database, embedder=embedder, index=server.url, collection=collection, indexing="relay")
            store = await stack.enter_async_context(opening)
            raw = await by_hand(qdrant, embedder)
            ours = await imported(store)
            return [
                Figure(f"import of {DOCUMENTS:,}, put to indexed, WordLlama (raw: embed and upsert alone)", ours, raw, "docs/s"),
                *await searched(store, qdrant, embedder, collection),
            ]
