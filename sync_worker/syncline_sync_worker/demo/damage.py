"""What goes wrong with an index in life, done on purpose through the raw qdrant-client, behind Syncline's back."""

import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
from qdrant_client import QdrantClient, models

from syncline_contracts.drift import DriftKind
from syncline_contracts.identity import Ref, point_id
from syncline_store.index.points import VECTOR, Field

RawClient = Callable[[], AbstractContextManager[QdrantClient]]
EACH = 5
"""Documents that are damaged in each way."""
HOUR = 3_600_000_000
"""The age of a document that never was, in µs: on servers a young one's row might yet surface, and is waited for (protocol, step 4)."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What was done, in words, and to which documents."""

    kind: DriftKind
    what: str
    documents: frozenset[uuid.UUID]


@dataclass(frozen=True, slots=True)
class Photo:
    """Some documents' points as they were, vectors and all."""

    edited: Sequence[models.PointStruct] = field(repr=False)
    deleted: Sequence[models.PointStruct] = field(repr=False)


def photograph(raw: RawClient, collection: str, edited: Sequence[Ref], deleted: Sequence[Ref]) -> Photo:
    """Keep the points of documents that are about to change, to put them back later."""
    with raw() as client:
        return Photo(_points(client, collection, edited), _points(client, collection, deleted))


def damage(raw: RawClient, collection: str, photo: Photo, *, stranger: Ref, seed: int = 0) -> list[Damage]:
    """Do six kinds of damage to different documents, and say what was done to which."""
    with raw() as client:
        return _Vandal(client, collection, seed).do_all(photo, stranger)


class _Vandal:
    """Draws living documents, each once, and damages them."""

    def __init__(self, client: QdrantClient, collection: str, seed: int) -> None:
        self._client = client
        self._collection = collection
        self._random = random.Random(seed)  # noqa: S311 - the demo's choice should be the same each time
        self._dimensions = 0
        heads = self._heads()
        self._random.shuffle(heads)
        self._short = [document for document, passages in heads if passages == 1]
        self._long = [document for document, passages in heads if passages > 1]

    def do_all(self, photo: Photo, stranger: Ref) -> list[Damage]:
        spared = _documents(photo.edited)  # they are damaged by putting them back
        self._short = [document for document in self._short if document not in spared]
        self._long = [document for document in self._long if document not in spared]
        return [
            self._delete_points(),
            self._put_old_versions_back(photo.edited),
            self._put_orphans(photo.deleted, stranger),
            self._corrupt_vectors(),
            self._lose_passages(),
            self._claim_another_model(),
        ]

    def _delete_points(self) -> Damage:
        chosen = self._draw(self._short)
        self._client.delete(self._collection, models.PointIdsList(points=[point_id(document, 0) for document in chosen]))
        return Damage(DriftKind.MISSING, "points deleted", chosen)

    def _put_old_versions_back(self, points: Sequence[models.PointStruct]) -> Damage:
        self._client.upsert(self._collection, list(points))
        return Damage(DriftKind.STALE, "edited documents: the points from before put back", _documents(points))

    def _put_orphans(self, points: Sequence[models.PointStruct], stranger: Ref) -> Damage:
        like = points[0]
        payload = {**(like.payload or {}), Field.DOCUMENT: str(stranger.document), Field.KEY: stranger.key}
        payload[Field.REVISION] -= HOUR
        unknown = models.PointStruct(id=point_id(stranger.document, 0), vector=like.vector, payload=payload)
        self._client.upsert(self._collection, [*points, unknown])
        return Damage(DriftKind.ORPHAN, "deleted documents put back, and one that never was", _documents([*points, unknown]))

    def _corrupt_vectors(self) -> Damage:
        chosen = self._draw(self._short)
        noise = np.random.default_rng(0).normal(size=(len(chosen), self._dimensions)).astype(np.float32)
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        vectors = [
            models.PointVectors(id=point_id(document, 0), vector={VECTOR: row.tolist()})
            for document, row in zip(sorted(chosen), noise, strict=True)
        ]
        self._client.update_vectors(self._collection, vectors)
        return Damage(DriftKind.CORRUPT, "vectors overwritten with noise", chosen)

    def _lose_passages(self) -> Damage:
        chosen = self._draw(self._long)
        self._client.delete(self._collection, models.PointIdsList(points=[point_id(document, 1) for document in chosen]))
        return Damage(DriftKind.PASSAGE_GAP, "one passage of several deleted", chosen)

    def _claim_another_model(self) -> Damage:
        chosen = self._draw(self._short)
        points = [point_id(document, 0) for document in chosen]
        self._client.set_payload(self._collection, {Field.MODEL: "some-older-model"}, points=list(points))
        return Damage(DriftKind.WRONG_MODEL, "said to be embedded by another model", chosen)

    def _draw(self, documents: list[uuid.UUID]) -> frozenset[uuid.UUID]:
        return frozenset(documents.pop() for _ in range(min(EACH, len(documents))))

    def _heads(self) -> list[tuple[uuid.UUID, int]]:
        """Living documents and how many passages each has, in an order that does not depend on the index."""
        info = self._client.get_collection(self._collection).config.params.vectors
        if isinstance(info, dict):
            self._dimensions = info[VECTOR].size
        points, _ = self._client.scroll(self._collection, limit=1_000_000, with_payload=True)
        payloads = [point.payload or {} for point in points]
        return sorted(
            (uuid.UUID(payload[Field.DOCUMENT]), int(payload[Field.PASSAGES]))
            for payload in payloads
            if payload[Field.PASSAGE] == 0 and payload[Field.MARK] == "live"
        )


def _points(client: QdrantClient, collection: str, refs: Sequence[Ref]) -> list[models.PointStruct]:
    heads = [point_id(ref.document, 0) for ref in refs]
    records = client.retrieve(collection, heads, with_payload=True, with_vectors=True)
    return [_written_again(record) for record in records]


def _written_again(record: models.Record) -> models.PointStruct:
    vectors = record.vector if isinstance(record.vector, dict) else {}
    return models.PointStruct(id=record.id, vector=dict(vectors), payload=record.payload)


def _documents(points: Sequence[models.PointStruct]) -> frozenset[uuid.UUID]:
    return frozenset(uuid.UUID((point.payload or {})[Field.DOCUMENT]) for point in points)
