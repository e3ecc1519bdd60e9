"""What the handler is measured against: the same cycle by hand, bare upserts of the same points, and texts embedded and upserted."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.identity import Ref
from syncline_store.document import Row
from syncline_store.filters.fields import LONGEST
from syncline_store.index.collection import INDEXED
from syncline_store.index.points import VECTOR, Field
from syncline_store.index.state import STATE
from syncline_store.parts import Parts

DIMENSIONS = 256
NAMESPACE = uuid.UUID(int=0)
BATCH = 256
IN_FLIGHT = 2


@asynccontextmanager
async def empty(client: AsyncQdrantClient) -> AsyncIterator[str]:
    """A collection with the payload indexes that the handler's has."""
    name = f"raw-{uuid.uuid4().hex[:8]}"
    await client.create_collection(name, {VECTOR: models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)})
    for field, kind in INDEXED.items():
        await client.create_payload_index(name, field, kind)
    yield name
    await client.delete_collection(name)


async def in_flight(items: Sequence[Any], work: Callable[[Sequence[Any]], Awaitable[None]]) -> None:
    """A batch at a time, a few at once."""
    room = asyncio.Semaphore(IN_FLIGHT)

    async def one(batch: Sequence[Any]) -> None:
        async with room:
            await work(batch)

    async with asyncio.TaskGroup() as group:
        for first in range(0, len(items), BATCH):
            group.create_task(one(items[first : first + BATCH]))


async def bare(client: AsyncQdrantClient, name: str, points: Sequence[models.PointStruct]) -> None:
    """Upserts without a guard."""

    async def work(batch: Sequence[models.PointStruct]) -> None:
        await client.upsert(name, list(batch), wait=True)

    await in_flight(points, work)


async def embedded(client: AsyncQdrantClient, name: str, texts: Sequence[tuple[models.PointStruct, str]], embed: Any) -> None:
    """Texts embedded on a thread while others are upserted."""

    async def work(batch: Sequence[tuple[models.PointStruct, str]]) -> None:
        vectors = await asyncio.to_thread(embed, [text for _, text in batch])
        points = [
            models.PointStruct(id=point.id, vector={VECTOR: vector.tolist()}, payload=point.payload)
            for (point, _), vector in zip(batch, vectors, strict=True)
        ]
        await client.upsert(name, points, wait=True)

    await in_flight(texts, work)


async def by_hand(client: AsyncQdrantClient, name: str, parts: Parts, refs: Sequence[Ref]) -> None:
    """Points read, rows read, guarded upsert, settle: what any correct handler asks for, with points made of the rows."""

    async def state(documents: list[str]) -> None:
        where = models.Filter(must=[models.FieldCondition(key=Field.DOCUMENT, match=models.MatchAny(any=documents))])
        await client.scroll(name, where, limit=1_000, with_payload=[str(field) for field in STATE])

    async def work(batch: Sequence[Ref]) -> None:
        documents = [str(ref.document) for ref in batch]
        await state(documents)
        rows = [row for row in await parts.engine.documents.read(batch) if row is not None]
        made = [point_of(row) for row in rows]
        lowest = min(row.revision for row in rows)
        guard = models.Filter(
            should=[
                models.FieldCondition(key=Field.REVISION, range=models.Range(lt=lowest)),
                models.IsEmptyCondition(is_empty=models.PayloadField(key=Field.REVISION)),
            ]
        )
        await client.upsert(name, made, update_filter=guard, wait=True)
        await state(documents)

    await in_flight(refs, work)


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
        Field.SLICE.value: 1,
        Field.REVISION.value: row.revision,
        Field.CONTENT_HASH.value: row.content_hash.hex(),
        Field.TEXT_HASH.value: hashlib.blake2b(value["text"].encode(), digest_size=16).hexdigest(),
        Field.MODEL.value: "null",
        Field.PASSAGES.value: 1,
        Field.PASSAGE.value: 0,
        Field.SPAN.value: [0, len(value["text"])],
        Field.EXPIRES_AT.value: row.expires_at,
        Field.MARK.value: "live",
        Field.FIELDS.value: {"kind": value["kind"], "number": value["number"], "text": value["text"][: LONGEST + 1]},
    }
    vector = np.zeros(DIMENSIONS, np.float32)
    return models.PointStruct(id=str(uuid.uuid5(document, "0")), vector={VECTOR: vector.tolist()}, payload=payload)
