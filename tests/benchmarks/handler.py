"""The handler into an index by URL, null embedder: against the same cycle by hand, and against bare upserts of the same points.

The server is tests/parts/servers/qdrant.py's: unless an address is given, the stand-in over Qdrant's engine, in a process of its own.
"""

import asyncio
import gc
import hashlib
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.event import ChangeEvent
from syncline_store.document import Row
from syncline_store.engines.protocol import Pos
from syncline_store.index.points import VECTOR, Field
from syncline_store.indexing.delivery import Delivery
from syncline_store.parts import Parts, open_parts
from syncline_store.settings import store_settings
from syncline_store.store import Store
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.handler.verdict import Done
from tests.benchmarks.corpus import values
from tests.benchmarks.figure import Figure
from tests.parts.embedders import NullEmbedder
from tests.parts.servers.qdrant import qdrant_server

DIMENSIONS = 256
NAMESPACE = uuid.UUID(int=0)
DOCUMENTS = 6_000
BATCH = 1_000
RAW_BATCH = 256
RAW_IN_FLIGHT = 2
ROUNDS = 3
STATE = [
    Field.DOCUMENT,
    Field.PASSAGE,
    Field.REVISION,
    Field.CONTENT_HASH,
    Field.TEXT_HASH,
    Field.MODEL,
    Field.PASSAGES,
    Field.EXPIRES_AT,
    Field.MARK,
]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[tuple[Parts, str, list[ChangeEvent]]]:
    """A store of DOCUMENTS documents in a file, an empty collection, and the events."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        settings = store_settings(store=f"sqlite:///{Path(folder) / 'documents.db'}", index=url, collection=name, indexing="relay")
        parts = await open_parts(settings, embedder=NullEmbedder(DIMENSIONS))
        async with Store(parts) as store:
            await put_all(store)
            await parts.index()
            yield parts, name, await events(parts)


async def put_all(store: Store, **more: Any) -> None:
    tenant = store.tenant("bench")
    await tenant.put_many((("notes",), f"n{number}", {**value, **more}) for number, value in enumerate(values(DOCUMENTS)))


async def events(parts: Parts, after: int = 0) -> list[ChangeEvent]:
    found = []
    for shard in range(parts.engine.outbox.shards):
        found += await parts.engine.outbox.read(shard, Pos(after), Pos(2**62), 1_000_000)
    return [row.event for row in sorted(found, key=lambda row: row.pos)]


async def handled(parts: Parts, changes: Sequence[ChangeEvent]) -> float:
    """Documents a second."""
    handler = Handler(await parts.indexer(), parts.engine.dead_letters, clock=parts.clock)
    started = time.perf_counter()
    for first in range(0, len(changes), BATCH):
        verdict = await handler.handle([Delivery(event, "bench") for event in changes[first : first + BATCH]])
        assert isinstance(verdict, Done)
    return len(changes) / (time.perf_counter() - started)


async def points_of(client: AsyncQdrantClient, name: str) -> list[models.PointStruct]:
    found: list[models.PointStruct] = []
    after: Any = None
    while True:
        records, after = await client.scroll(name, limit=1_000, offset=after, with_vectors=True)
        found += [models.PointStruct(id=record.id, vector=record.vector or {}, payload=record.payload) for record in records]
        if after is None:
            return found


async def in_flight(pieces: Sequence[Any], work: Callable[[Any], Awaitable[None]]) -> None:
    room = asyncio.Semaphore(RAW_IN_FLIGHT)

    async def one(piece: Any) -> None:
        async with room:
            await work(piece)

    async with asyncio.TaskGroup() as group:
        for piece in pieces:
            group.create_task(one(piece))


@asynccontextmanager
async def empty(client: AsyncQdrantClient) -> AsyncIterator[str]:
    name = f"raw-{uuid.uuid4().hex[:8]}"
    await client.create_collection(name, {VECTOR: models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)})
    for field in (Field.DOCUMENT, Field.TENANT, Field.NAMESPACES, Field.MARK):
        await client.create_payload_index(name, field, models.PayloadSchemaType.KEYWORD)
    for field in (Field.REVISION, Field.EXPIRES_AT, Field.PASSAGE, Field.SEGMENT):
        await client.create_payload_index(name, field, models.PayloadSchemaType.INTEGER)
    yield name
    await client.delete_collection(name)


def pieces(points: Sequence[models.PointStruct]) -> list[Sequence[models.PointStruct]]:
    return [points[first : first + RAW_BATCH] for first in range(0, len(points), RAW_BATCH)]


async def bare(client: AsyncQdrantClient, points: Sequence[models.PointStruct]) -> float:
    async with empty(client) as name:

        async def work(piece: Sequence[models.PointStruct]) -> None:
            await client.upsert(name, list(piece), wait=True)

        started = time.perf_counter()
        await in_flight(pieces(points), work)
        return DOCUMENTS / (time.perf_counter() - started)


def point_of(row: Row) -> models.PointStruct:
    """The point of a document of one passage, as somebody would write it who needs no other kind."""
    value = json.loads(row.value or "{}")
    document = uuid.uuid5(NAMESPACE, f"{row.ref.tenant}/{row.ref.namespace}/{row.ref.key}")
    payload = {
        Field.DOCUMENT.value: str(document),
        Field.TENANT.value: row.ref.tenant,
        Field.NAMESPACES.value: list(row.ref.namespace),
        Field.KEY.value: row.ref.key,
        Field.SEGMENT.value: 1,
        Field.REVISION.value: row.revision,
        Field.CONTENT_HASH.value: row.content_hash.hex(),
        Field.TEXT_HASH.value: hashlib.blake2b(value["text"].encode(), digest_size=16).hexdigest(),
        Field.MODEL.value: "null",
        Field.PASSAGES.value: 1,
        Field.PASSAGE.value: 0,
        Field.EXPIRES_AT.value: row.expires_at,
        Field.MARK.value: "live",
        Field.FIELDS.value: {"kind": value["kind"], "number": value["number"]},
    }
    vector = np.zeros(DIMENSIONS, np.float32)
    return models.PointStruct(id=str(uuid.uuid5(document, "0")), vector={VECTOR: vector.tolist()}, payload=payload)


async def by_hand(client: AsyncQdrantClient, parts: Parts, points: Sequence[models.PointStruct], refs: dict[str, Any]) -> float:
    """Points read, rows read, guarded upsert, settle: what any correct handler asks for, with points made of the rows."""
    async with empty(client) as name:

        async def state(documents: list[str]) -> None:
            where = models.Filter(must=[models.FieldCondition(key=Field.DOCUMENT, match=models.MatchAny(any=documents))])
            await client.scroll(name, where, limit=1_000, with_payload=[str(field) for field in STATE])

        async def work(piece: Sequence[models.PointStruct]) -> None:
            documents = [str((point.payload or {})[Field.DOCUMENT]) for point in piece]
            await state(documents)
            rows = await parts.engine.documents.read([refs[document] for document in documents])
            made = [point_of(row) for row in rows if row is not None]
            lowest = min(row.revision for row in rows if row is not None)
            guard = models.Filter(
                should=[
                    models.FieldCondition(key=Field.REVISION, range=models.Range(lt=lowest)),
                    models.IsEmptyCondition(is_empty=models.PayloadField(key=Field.REVISION)),
                ]
            )
            await client.upsert(name, made, update_filter=guard, wait=True)
            await state(documents)

        started = time.perf_counter()
        await in_flight(pieces(points), work)
        return DOCUMENTS / (time.perf_counter() - started)


async def bench() -> list[Figure]:
    embedding, cycle, upserts, unchanged = [], [], [], []
    with qdrant_server() as server:
        client = AsyncQdrantClient(server.url, check_compatibility=False, timeout=60)
        for _ in range(ROUNDS):
            async with opened(server.url) as (parts, name, changes):
                await parts.indexer()
                gc.collect()
                gc.freeze()  # as the worker does, for both sides
                embedding.append(await handled(parts, changes))
                points = await points_of(client, name)
                refs = {str(event.ref.document): event.ref for event in changes}
                async with Store(parts) as store:
                    await put_all(store, stars=5)
                    unchanged.append(await handled(parts, (await events(parts))[DOCUMENTS:]))
                    cycle.append(await by_hand(client, parts, points, refs))
                upserts.append(await bare(client, points))
        await client.close()
    ours = statistics.median(embedding)
    return [
        Figure("handler, null embedder, by URL, against the cycle by hand", ours, statistics.median(cycle), "docs/s", goal=0.8),
        Figure("the same, against bare unguarded upserts", ours, statistics.median(upserts), "docs/s", goal=0.5),
        Figure("updates whose text is the same, against embedding ones", statistics.median(unchanged), ours, "docs/s", goal=2.0),
    ]


if __name__ == "__main__":
    for figure in asyncio.run(bench()):
        print(figure)
