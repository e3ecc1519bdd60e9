"""Rows into points: the payload of a passage, and of what is left of a deleted document."""

from typing import Any

from syncline_contracts.identity import Ref, namespace_prefixes, point_id
from syncline_contracts.revision import NEVER
from syncline_store.document import NO_CONTENT, Row
from syncline_store.embedding.protocol import Vectors
from syncline_store.index.points import Field, Mark, Point
from syncline_store.indexing.decide import Content
from syncline_store.sparse import Sparse, of_passage


def living(ref: Ref, row: Row, content: Content, vectors: Vectors, *, model: str, segment: int) -> list[Point]:
    """One point a passage, the head first; a document without text has a head without a vector. `vectors`: [passages, dimensions]."""
    common = {
        **_whose(ref, segment),
        **changing(row, content),
        Field.TEXT_HASH.value: content.text_hash,
        Field.MODEL.value: model,
        Field.PASSAGES.value: content.points,
    }
    if not content.passages:
        return [_point(ref, 0, None, common)]
    return [
        _point(
            ref, number, vectors[number], {**common, Field.SPAN.value: [passage.start, passage.end]}, _words(passage.text, content.hybrid)
        )
        for number, passage in enumerate(content.passages)
    ]


def changing(row: Row, content: Content) -> dict[str, Any]:
    """What a refresh sets: all that may differ while the text stays the same."""
    return {
        Field.REVISION.value: row.revision,
        Field.CONTENT_HASH.value: row.content_hash.hex(),
        Field.EXPIRES_AT.value: row.expires_at,
        Field.MARK.value: Mark.LIVE.value,
        Field.FIELDS.value: content.fields,
    }


def tombstone(ref: Ref, revision: int, mark: Mark, purge_at: int, *, model: str, segment: int) -> Point:
    """A head that says: nothing is to be found here, as of this revision. It is purged at `purge_at`."""
    payload = {
        **_whose(ref, segment),
        Field.REVISION.value: revision,
        Field.CONTENT_HASH.value: NO_CONTENT.hex(),
        Field.EXPIRES_AT.value: NEVER,
        Field.PURGE_AT.value: purge_at,
        Field.MARK.value: mark.value,
        Field.TEXT_HASH.value: "",
        Field.MODEL.value: model,
        Field.PASSAGES.value: 0,
    }
    return _point(ref, 0, None, payload)


def _whose(ref: Ref, segment: int) -> dict[str, Any]:
    return {
        Field.DOCUMENT.value: str(ref.document),
        Field.TENANT.value: ref.tenant,
        Field.NAMESPACES.value: list(namespace_prefixes(ref.namespace)),
        Field.KEY.value: ref.key,
        Field.SEGMENT.value: segment,
        Field.SLICE.value: ref.slice,
    }


def _words(text: str, language: str | None) -> Sparse | None:
    return None if language is None else of_passage(text, language)


def _point(ref: Ref, passage: int, vector: Any, payload: dict[str, Any], sparse: Sparse | None = None) -> Point:
    return Point(point_id(ref.document, passage), ref.document, vector, {**payload, Field.PASSAGE.value: passage}, sparse)
