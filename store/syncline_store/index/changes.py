"""What the indexer asks of the index: upserts, refreshes, removals. Values only; nothing here imports Qdrant."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from syncline_store.index.guard import Guard, Version
from syncline_store.index.points import Point


@dataclass(frozen=True, slots=True)
class Upsert:
    """Points that share a guard. At most one version of an id."""

    points: Sequence[Point]
    guard: Guard


@dataclass(frozen=True, slots=True)
class Refresh:
    """A new payload for all passages of a document whose texts have not changed; their vectors stay.

    Only where the text hash is the same, a vector is there, and (revision, expires_at) is lower (H5, H6).
    """

    document: uuid.UUID
    revision: int
    expires_at: int
    text_hash: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stray:
    """A point whose id is not that of its passage: to be deleted while it still says that it is this document's, of no newer revision."""

    point: str
    document: uuid.UUID
    newest: int


@dataclass(frozen=True, slots=True)
class Removal:
    """Passages from `from_passage` (1 or more) on, of revisions below `below` or exactly in a state of `seen`."""

    document: uuid.UUID
    from_passage: int
    below: int
    seen: tuple[Version, ...] = ()
