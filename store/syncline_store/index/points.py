"""A point in Qdrant: a passage of a document, or what is left of one. The names of its payload, in one place."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from syncline_store.sparse import Sparse

VECTOR = "dense"
"""The vector's name in the collection."""
SPARSE = "words"
"""The sparse vector's name, of hybrid namespaces' passages."""


class Mark(StrEnum):
    """What a point stands for."""

    LIVE = "live"
    DELETED = "deleted"
    """The source says that it was deleted, or is not to be indexed."""
    GONE = "gone"
    """The source has no row, and the event was old enough to believe that."""


class Field(StrEnum):
    """Payload keys. What a user's value holds lives under `fields` and can overwrite none of these."""

    DOCUMENT = "document"
    TENANT = "tenant"
    NAMESPACES = "namespaces"
    KEY = "key"
    REVISION = "revision"
    CONTENT_HASH = "content_hash"
    TEXT_HASH = "text_hash"
    MODEL = "model"
    PASSAGE = "passage"
    PASSAGES = "passages"
    SPAN = "span"
    SEGMENT = "segment"
    SLICE = "slice"
    EXPIRES_AT = "expires_at"
    PURGE_AT = "purge_at"
    MARK = "mark"
    FIELDS = "fields"


@dataclass(frozen=True, slots=True)
class PointState:
    """What deciding, settling and reconciling need to know of a point that is there."""

    document: uuid.UUID
    passage: int
    revision: int
    content_hash: str
    text_hash: str
    model: str
    passages: int
    expires_at: int
    mark: Mark

    @property
    def version(self) -> tuple[int, int]:
        """What decides which of two states is the later: (revision, expires_at)."""
        return self.revision, self.expires_at

    @property
    def live(self) -> bool:
        """A passage of a document, not a tombstone."""
        return self.mark is Mark.LIVE


@dataclass(frozen=True, slots=True)
class Point:
    """A point to be written. `vector` None: a tombstone, or the head of a document without text."""

    id: str
    document: uuid.UUID
    vector: Any
    payload: dict[str, Any]
    sparse: Sparse | None = None
