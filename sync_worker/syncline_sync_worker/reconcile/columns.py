"""Packed columns of a few documents, of blocks put together, or of a scope's part."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import accumulate, chain
from typing import Any, TypeVar, overload
from uuid import UUID

import numpy as np
import numpy.typing as npt

from syncline_contracts.identity import Ref
from syncline_store.document import INDEX_NOT, Row
from syncline_store.engines.protocol import Heads
from syncline_store.index.columns import hash_bytes, words
from syncline_store.index.points import PointState
from syncline_store.index.scan import MARKS, IndexPoints
from syncline_sync_worker.reconcile.scope import Scope

Columns = TypeVar("Columns", Heads, IndexPoints)
Item = TypeVar("Item")
Ids = npt.NDArray[np.uint64]
"""[n, 2]"""


def heads_of(rows: Sequence[Row], segments: Mapping[UUID, int]) -> Heads:
    """Pack rows that were read one by one."""
    return Heads(
        refs=[row.ref for row in rows],
        ids=words(b"".join(row.ref.document.bytes for row in rows)),
        content_hashes=words(b"".join(row.content_hash for row in rows)),
        revisions=np.array([row.revision for row in rows], np.int64),
        expires_at=np.array([row.expires_at for row in rows], np.int64),
        deleted=np.array([row.deleted for row in rows], np.bool_),
        indexed=np.array([row.index_spec != INDEX_NOT for row in rows], np.bool_),
        segments=np.array([segments[row.ref.document] for row in rows], np.int16),
    )


def points_of(states: Sequence[PointState], refs: Mapping[UUID, Ref], segments: Mapping[UUID, int]) -> IndexPoints:
    """Pack points that were read one by one."""
    return IndexPoints(
        ids=[""] * len(states),
        refs=[refs[state.document] for state in states],
        models=[state.model for state in states],
        documents=words(b"".join(state.document.bytes for state in states)),
        content_hashes=words(b"".join(hash_bytes(state.content_hash) for state in states)),
        revisions=np.array([state.revision for state in states], np.int64),
        expires_at=np.array([state.expires_at for state in states], np.int64),
        passage=np.array([state.passage for state in states], np.int32),
        passages=np.array([state.passages for state in states], np.int32),
        marks=np.array([MARKS.index(state.mark) for state in states], np.int8),
        segments=np.array([segments[state.document] for state in states], np.int16),
    )


def together(blocks: Sequence[Columns], none: Columns) -> Columns:
    """One set of columns from many; `none` where there is no block."""
    if len(blocks) <= 1:
        return blocks[0] if blocks else none
    parts = {column.name: [getattr(block, column.name) for block in blocks] for column in fields(none)}
    return replace(none, **{name: _joined(part) for name, part in parts.items()})


def within(columns: Columns, scope: Scope) -> Columns:
    """The rows of the documents that are meant, by their names."""
    return columns if scope.whole else _only(columns, _covered(columns, scope))


def points_within(points: IndexPoints, scope: Scope, ids: Ids) -> tuple[IndexPoints, Ids]:
    """The points that say to be of a document that is meant, and those of the documents `ids`, whatever they say.

    Also the ids of the latter's documents: their points go by a name that is not meant, another tenant's, say.
    """
    if scope.whole:
        return points, ids[:0]
    by_name, meant = _covered(points, scope), set(map(tuple, ids.tolist()))
    by_id = np.fromiter((tuple(document) in meant for document in points.documents.tolist()), np.bool_, len(points))
    return _only(points, by_name | by_id), points.documents[by_id & ~by_name]


def _covered(columns: Columns, scope: Scope) -> npt.NDArray[np.bool_]:
    return np.fromiter((scope.covers(ref) for ref in columns.refs), np.bool_, len(columns))


class Chained(Sequence[Item]):
    """Sequences one behind the other, without a copy: an engine's refs are made only when they are looked at."""

    def __init__(self, parts: Sequence[Sequence[Item]]) -> None:
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | Sequence[Item]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        part = bisect_right(self._ends, place)
        return self._parts[part][place - self._ends[part]]

    def __iter__(self) -> Iterator[Item]:
        return chain.from_iterable(self._parts)


def _joined(parts: Sequence[Any]) -> Any:
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else Chained(parts)


def _only(columns: Columns, chosen: npt.NDArray[np.bool_]) -> Columns:
    return replace(columns, **{column.name: _chosen(getattr(columns, column.name), chosen) for column in fields(columns)})


def _chosen(column: Any, chosen: npt.NDArray[np.bool_]) -> Any:
    return column[chosen] if isinstance(column, np.ndarray) else [column[place] for place in np.flatnonzero(chosen).tolist()]


NO_HEADS = heads_of([], {})
NO_POINTS = points_of([], {}, {})
