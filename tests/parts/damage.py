"""Ways to damage an index behind Syncline's back, through the raw client. What life does: lost writes, restored snapshots, bad scripts.

Every function takes the raw client, the collection's name, and the document; it names no part of Syncline but point ids and payload keys.
"""

import random
import uuid
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.identity import Ref, namespace_prefixes, point_id

VECTOR = "dense"


class Damage:
    """The means. `raw` is the plain qdrant-client on the same folder."""

    def __init__(self, raw: AsyncQdrantClient, collection: str) -> None:
        self._raw = raw
        self._collection = collection

    async def snapshot(self, ref: Ref, passages: int = 1) -> list[models.Record]:
        """The document's points as they are, to put back later."""
        records = await self.find(ref, passages)
        assert len(records) == passages
        return records

    async def find(self, ref: Ref, passages: int) -> list[models.Record]:
        """Those of the document's first points that are there."""
        ids = [point_id(ref.document, passage) for passage in range(passages)]
        return await self._raw.retrieve(self._collection, ids, with_payload=True, with_vectors=True)

    async def holds(self, ref: Ref, passage: int = 0) -> bool:
        """Whether the point is there."""
        return bool(await self._raw.retrieve(self._collection, [point_id(ref.document, passage)], with_payload=False))

    async def put_back(self, records: list[models.Record]) -> None:
        """An old backup, restored over what is there."""
        if not records:
            return
        await self._raw.upsert(
            self._collection, [models.PointStruct(id=record.id, vector=record.vector or {}, payload=record.payload) for record in records]
        )

    async def lose(self, ref: Ref, passage: int = 0) -> None:
        """A point is gone."""
        await self._raw.delete(self._collection, points_selector=[point_id(ref.document, passage)])

    async def change(self, ref: Ref, payload: dict[str, Any], passage: int = 0) -> None:
        """Some of a point's payload is other than it was."""
        await self._raw.set_payload(self._collection, payload, points=[point_id(ref.document, passage)])

    async def clear(self, ref: Ref, passage: int = 0) -> None:
        """A point without any payload."""
        await self._raw.clear_payload(self._collection, [point_id(ref.document, passage)])

    async def corrupt(self, ref: Ref, passage: int = 0, *, seed: int = 1) -> None:
        """Another vector: bits that flipped, a model that was updated."""
        chance = random.Random(seed)
        vector = [chance.uniform(-1, 1) for _ in range(await self._dimensions())]
        await self._vector(ref, passage, {VECTOR: vector})

    async def lose_vector(self, ref: Ref, passage: int = 0) -> None:
        """The payload is there, the vector is not."""
        await self._raw.delete_vectors(self._collection, [VECTOR], points=[point_id(ref.document, passage)])

    async def orphan(self, ref: Ref, like: Ref, *, passages: int = 1, **changed: Any) -> None:
        """Points of a document that the source never had, shaped like those of one that it has."""
        for record in await self.snapshot(like, passages):
            payload = {
                **(record.payload or {}),
                "document": str(ref.document),
                "tenant": ref.tenant,
                "namespaces": list(namespace_prefixes(ref.namespace)),
                "key": ref.key,
                "segment": ref.document.int >> 116,
                **changed,
            }
            await self._put(point_id(ref.document, payload["passage"]), record.vector, payload)

    async def surplus(self, ref: Ref, passage: int, **changed: Any) -> None:
        """A passage beyond those that the head counts, shaped like the head."""
        (record,) = await self.snapshot(ref)
        await self._put(point_id(ref.document, passage), record.vector, {**(record.payload or {}), "passage": passage, **changed})

    async def double(self, ref: Ref, passage: int = 0) -> str:
        """A passage's point once more, under an id that is nobody's; gives the id."""
        (record,) = await self._raw.retrieve(self._collection, [point_id(ref.document, passage)], with_vectors=True)
        stray = str(uuid.uuid4())
        await self._put(stray, record.vector, record.payload or {})
        return stray

    async def living(self, ref: Ref) -> dict[str, tuple[dict[str, Any], Any]]:
        """All points that say they are the document's and no tombstone: id -> (payload, vector)."""
        said = {"document": str(ref.document), "mark": "live"}
        own = models.Filter(must=[models.FieldCondition(key=name, match=models.MatchValue(value=value)) for name, value in said.items()])
        page, more = await self._raw.scroll(self._collection, own, limit=100, with_payload=True, with_vectors=True)
        assert more is None
        return {str(record.id): (record.payload or {}, record.vector) for record in page}

    async def _put(self, point: str, vector: Any, payload: dict[str, Any]) -> None:
        await self._raw.upsert(self._collection, [models.PointStruct(id=point, vector=vector or {}, payload=payload)])

    async def _vector(self, ref: Ref, passage: int, vector: dict[str, list[float]]) -> None:
        await self._raw.update_vectors(self._collection, [models.PointVectors(id=point_id(ref.document, passage), vector=vector)])

    async def _dimensions(self) -> int:
        vectors = (await self._raw.get_collection(self._collection)).config.params.vectors
        assert isinstance(vectors, dict)
        return vectors[VECTOR].size
