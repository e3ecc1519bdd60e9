"""How changes and guards are said to Qdrant: filters, points, and pieces that one request can carry."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, assert_never

import orjson
from qdrant_client import models

from syncline_contracts.errors import DocumentRefused
from syncline_store.index.changes import Refresh, Removal, Stray, Upsert
from syncline_store.index.guard import Below, Gone, Guard, Mend, Plain, Version
from syncline_store.index.points import SPARSE, VECTOR, Field, Mark, Point

MAX_POINTS = 256
"""Points of one request."""
MAX_BYTES = 8_000_000
"""About how large a request may become (Qdrant's default limit is 32 MB)."""
_DIGITS = 12
"""Bytes that a vector's number takes in JSON."""
_REST = 1_000
"""Bytes of a payload without its fields, the only part of it that can be large. To look at all of it takes as long as to send it."""


def match(field: Field, value: str | int) -> models.FieldCondition:
    """The field is exactly this."""
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))


def within(field: Field, **bounds: int) -> models.FieldCondition:
    """The field is a number inside these bounds (lt, lte, gt, gte)."""
    return models.FieldCondition(key=field, range=models.Range(**bounds))


def of_documents(documents: Sequence[uuid.UUID]) -> models.FieldCondition:
    """The point belongs to one of these documents."""
    return models.FieldCondition(key=Field.DOCUMENT, match=models.MatchAny(any=[str(document) for document in documents]))


def as_filter(guard: Guard) -> models.Filter:
    """The `update_filter` that lets a point be replaced."""
    if isinstance(guard, Below):
        return _any_of(guard.revision)
    if isinstance(guard, Plain):
        earlier = [match(Field.MARK, Mark.LIVE), within(Field.EXPIRES_AT, lt=guard.expires_at)]
        return _any_of(guard.revision, _same(guard.revision, *earlier), _same(guard.revision, match(Field.MARK, Mark.GONE)))
    if isinstance(guard, Mend):
        not_later = _same(guard.revision, within(Field.EXPIRES_AT, lte=guard.expires_at))
        not_live = models.Filter(must=[match(Field.REVISION, guard.revision)], must_not=[match(Field.MARK, Mark.LIVE)])
        return _any_of(guard.revision, not_later, not_live)
    if isinstance(guard, Gone):
        return _any_of(guard.revision, *(_exactly(version) for version in guard.seen))
    assert_never(guard)


def of_strays(strays: Sequence[Stray]) -> models.Filter:
    """Those of the points that are still what was seen: an id may have become another document's point, or be written anew."""
    return models.Filter(
        should=[
            models.Filter(
                must=[models.HasIdCondition(has_id=[stray.point]), match(Field.DOCUMENT, str(stray.document))],
                must_not=[within(Field.REVISION, gt=stray.newest)],
            )
            for stray in strays
        ]
    )


def _any_of(revision: int, *others: models.Filter) -> models.Filter:
    return models.Filter(should=[within(Field.REVISION, lt=revision), _unreadable(), *others])


def _unreadable() -> models.Filter:
    """No revision, or no number: an empty one, and whatever else somebody may have put there."""
    return models.Filter(must_not=[within(Field.REVISION, gte=0)])


def _same(revision: int, *conditions: models.Condition) -> models.Filter:
    return models.Filter(must=[match(Field.REVISION, revision), *conditions])


def _exactly(version: Version) -> models.Filter:
    revision, expires_at = version
    return _same(revision, match(Field.EXPIRES_AT, expires_at))


def refreshable(change: Refresh) -> models.Filter:
    """Which points a refresh may change."""
    earlier = _same(change.revision, within(Field.EXPIRES_AT, lt=change.expires_at))
    return models.Filter(
        must=[
            match(Field.DOCUMENT, str(change.document)),
            match(Field.TEXT_HASH, change.text_hash),
            models.HasVectorCondition(has_vector=VECTOR),
            models.Filter(should=[within(Field.REVISION, lt=change.revision), earlier]),
        ]
    )


def removable(removal: Removal) -> models.Filter:
    """Which points a removal may delete."""
    return models.Filter(
        must=[
            match(Field.DOCUMENT, str(removal.document)),
            within(Field.PASSAGE, gte=removal.from_passage),
            _any_of(removal.below, *(_exactly(version) for version in removal.seen)),
        ]
    )


def as_plain(point: Point) -> dict[str, Any]:
    """Qdrant's point, its vector an array still; without one a tombstone, or the head of a document without text."""
    vector: dict[str, Any] = {} if point.vector is None else {VECTOR: point.vector}
    if point.sparse is not None:
        vector[SPARSE] = {"indices": point.sparse.indices, "values": point.sparse.values}
    return {"id": point.id, "vector": vector, "payload": point.payload}


def as_point(point: Point) -> models.PointStruct:
    """The same as the client's model. Not validated a second time: 256 floats a point are what takes long."""
    vector: dict[str, Any] = {} if point.vector is None else {VECTOR: point.vector.tolist()}
    if point.sparse is not None:
        vector[SPARSE] = models.SparseVector(indices=list(point.sparse.indices), values=list(point.sparse.values))
    return models.PointStruct.model_construct(id=point.id, vector=vector, payload=point.payload)


def as_json(operations: Sequence[Upsert]) -> bytes:
    """The body of a request of upserts. Raises DocumentRefused for a value that JSON does not have.

    Vectors are written as float32, with half the digits that the same numbers take as Python's.
    """
    body = [
        {"upsert": {"points": [as_plain(point) for point in operation.points], "update_filter": plain(as_filter(operation.guard))}}
        for operation in operations
    ]
    try:
        return orjson.dumps({"operations": body}, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise DocumentRefused(f"a point cannot be sent as JSON: {error}") from error


def plain(where: models.Filter) -> dict[str, Any]:
    """A filter as JSON has it."""
    return where.model_dump(mode="json", exclude_none=True)


def pieces(operations: Sequence[Upsert], max_points: int = MAX_POINTS) -> Iterator[list[Upsert]]:
    """Cut into requests of at most `max_points` points and about MAX_BYTES, in order."""
    request: list[Upsert] = []
    points = size = 0
    for operation in operations:
        piece: list[Point] = []
        for point in operation.points:
            weight = _weight(point)
            if points and (points >= max_points or size + weight > MAX_BYTES):
                yield [*request, *_piece(piece, operation)]
                request, piece, points, size = [], [], 0, 0
            piece.append(point)
            points += 1
            size += weight
        request += _piece(piece, operation)
    if request:
        yield request


def _piece(points: list[Point], operation: Upsert) -> list[Upsert]:
    return [Upsert(points, operation.guard)] if points else []


def _weight(point: Point) -> int:
    numbers = (0 if point.vector is None else len(point.vector)) + (0 if point.sparse is None else 2 * len(point.sparse.indices))
    return _DIGITS * numbers + len(str(point.payload.get(Field.FIELDS))) + _REST
