"""Where the two sides differ: set operations over packed columns, no loop over rows.

What must hold for a document (docs/architecture.md, invariant 10): where the source wants it in the index, there is a live point
for each of the passages 0..n-1 (n is what the head says) and none beyond, each with the row's revision, content hash and
expires_at (T1: the revision alone does not tell two writes of one microsecond apart), embedded with the model in use. Where
the source does not hold it, deleted it, or keeps it out of the index, there is no live point; tombstones may be there or not.
What has expired is absent, on both sides (D2), but for points that should long have been swept. No passage is there twice.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncline_contracts.drift import DriftKind
from syncline_store.engines.protocol import Heads
from syncline_store.index.points import Mark
from syncline_store.index.scan import MARKS, IndexPoints

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
Ids = npt.NDArray[np.uint64]

NONE = -1
KINDS = (
    DriftKind.EXPIRED,
    DriftKind.PASSAGE_GAP,
    DriftKind.WRONG_MODEL,
    DriftKind.DUPLICATE,
    DriftKind.STALE,
    DriftKind.MISSING,
    DriftKind.ORPHAN,
)
"""From the weakest to the strongest: a document has one finding, the strongest that fits."""
EXPIRED, GAP, WRONG_MODEL, DUPLICATE, STALE, MISSING, ORPHAN = range(len(KINDS))
_LIVE = MARKS.index(Mark.LIVE)


@dataclass(frozen=True, slots=True)
class Joined:
    """Both sides' rows by document: the number 0..documents-1 of the document that each of them belongs to."""

    heads: Indices
    points: Indices
    documents: int


@dataclass(frozen=True, slots=True)
class Differences:
    """Columns of k documents that differ, and the source rows of those that do not.

    `rows` and `points` are positions in what was compared: the document's source head and the point that stands for its
    state in the index (the head, else the newest that is live), NONE where there is none. `since` is the newest revision
    that takes part; `live` counts the document's live points.
    """

    kinds: npt.NDArray[np.int8]
    rows: Indices
    points: Indices
    since: npt.NDArray[np.int64]
    live: Indices
    in_step: Indices

    def __len__(self) -> int:
        return len(self.kinds)

    def only(self, chosen: Bools) -> "Differences":
        """Those that are chosen."""
        return Differences(self.kinds[chosen], self.rows[chosen], self.points[chosen], self.since[chosen], self.live[chosen], self.in_step)


def join(heads: Ids, points: Ids) -> Joined:
    """Number the documents of both sides alike. Ids are [n, 2] columns, in any order."""
    ids = np.concatenate([heads, points])
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    ordered = ids[order]
    first = np.ones(len(ids), dtype=np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    numbers = np.empty(len(ids), dtype=np.intp)
    numbers[order] = np.cumsum(first) - 1
    return Joined(numbers[: len(heads)], numbers[len(heads) :], int(first.sum()))


@dataclass(frozen=True, slots=True)
class Seen:
    """Both sides and what is known of each document: its row, its head, whether the source wants it in the index.

    `live` are the points that can be found; `here` those of them whose document should be there and has a head.
    `overdue` are those that were to be swept so long ago.
    """

    heads: Heads
    points: IndexPoints
    joined: Joined
    rows: Indices
    wanted: Bools
    head: Indices
    live: Bools
    here: Indices
    overdue: Bools

    @classmethod
    def of(cls, heads: Heads, points: IndexPoints, now: int, overdue: int | None) -> "Seen":
        """As of `now`."""
        joined = join(heads.ids, points.documents)
        present = points.expires_at > now
        live = present & (points.marks == _LIVE)
        wanted = _any(joined.heads, ~heads.deleted & heads.indexed & (heads.expires_at > now), joined.documents)
        first = np.flatnonzero(present & (points.passage == 0))
        first = first[np.argsort(live[first], kind="stable")]  # should there be two, a living one
        head = _last(joined.points[first], first, joined.documents)
        here = np.flatnonzero(live & wanted[joined.points] & (head[joined.points] != NONE))
        rows = _last(joined.heads, np.arange(len(heads)), joined.documents)
        late = points.expires_at <= (-1 if overdue is None else now - overdue)
        late &= (points.marks == _LIVE) & (points.expires_at > 0)
        return cls(heads, points, joined, rows, wanted, head, live, here, late)

    def expected(self, places: Indices) -> npt.NDArray[np.int32]:
        """How many passages the document of each of these points should have, as its head says."""
        counts: npt.NDArray[np.int32] = self.points.passages[self.head[self.joined.points[places]]]
        return counts

    def counted(self) -> Indices:
        """Those of `here` that the head counts, itself always included. What lies beyond is a gap, whatever its version."""
        passage = self.points.passage[self.here]
        counted: Indices = self.here[(passage < self.expected(self.here)) | (passage == 0)]
        return counted


def compare(heads: Heads, points: IndexPoints, *, model: str, now: int, overdue: int | None = None) -> Differences:
    """Compare the heads and all the points of the same documents as of `now` (µs since 1970, read after both sides).

    A point that expired more than `overdue` µs ago should have been swept.
    """
    seen = Seen.of(heads, points, now, overdue)
    kinds = np.full(seen.joined.documents, NONE, dtype=np.int8)
    kinds[seen.joined.points[seen.overdue]] = EXPIRED
    kinds[_with_gaps(seen)] = GAP
    kinds[_of_another_model(seen, model)] = WRONG_MODEL
    kinds[_twice(seen)] = DUPLICATE
    kinds[_of_another_version(seen)] = STALE
    kinds[_with_tombstone(seen)] = STALE
    kinds[seen.wanted & (seen.head == NONE)] = MISSING
    kinds[~seen.wanted & _any(seen.joined.points, seen.live, seen.joined.documents)] = ORPHAN
    return _differences(seen, kinds)


def _with_gaps(seen: Seen) -> Indices:
    """Documents whose live passages are not exactly 0..n-1, once each."""
    passage = seen.points.passage
    ordered = seen.here[np.lexsort((passage[seen.here], seen.joined.points[seen.here]))]
    documents, expected = seen.joined.points[ordered], seen.expected(ordered)
    starts = np.ones(len(ordered), dtype=np.bool_)
    starts[1:] = documents[1:] != documents[:-1]
    begin = np.flatnonzero(starts)
    counts = np.diff(np.append(begin, len(ordered)))
    places = np.arange(len(ordered)) - np.repeat(begin, counts)
    off = (passage[ordered] != places) | (seen.points.passages[ordered] != expected)
    return np.concatenate([documents[off], documents[begin][counts != expected[begin]]])


def _twice(seen: Seen) -> Indices:
    """Documents with two points for one passage."""
    passage = seen.points.passage
    ordered = seen.here[np.lexsort((passage[seen.here], seen.joined.points[seen.here]))]
    documents, numbers = seen.joined.points[ordered], passage[ordered]
    twice: Indices = documents[1:][(documents[1:] == documents[:-1]) & (numbers[1:] == numbers[:-1])]
    return twice


def _of_another_model(seen: Seen, model: str) -> Indices:
    """Documents with a passage that another model embedded."""
    places = seen.counted()
    other = np.array(list(seen.points.models), dtype=np.object_)[places] != model
    documents: Indices = seen.joined.points[places[other.astype(np.bool_)]]
    return documents


def _of_another_version(seen: Seen) -> Indices:
    """Documents with a passage, the head included, of another (revision, content hash, expires_at) than the row."""
    heads, points, places = seen.heads, seen.points, seen.counted()
    rows = seen.rows[seen.joined.points[places]]
    differs = points.revisions[places] != heads.revisions[rows]
    differs |= points.expires_at[places] != heads.expires_at[rows]
    differs |= (points.content_hashes[places] != heads.content_hashes[rows]).any(axis=1)
    documents: Indices = seen.joined.points[places[differs]]
    return documents


def _with_tombstone(seen: Seen) -> Indices:
    """Documents with a tombstone where a living head should be."""
    documents = np.flatnonzero(seen.wanted & (seen.head != NONE))
    return documents[~seen.live[seen.head[documents]]]


def _differences(seen: Seen, kinds: npt.NDArray[np.int8]) -> Differences:
    different = kinds != NONE
    heads = np.flatnonzero(different[seen.joined.heads])
    points = np.flatnonzero(different[seen.joined.points])
    live = points[seen.live[points] | (seen.overdue[points] & (kinds[seen.joined.points[points]] == EXPIRED))]
    since = np.zeros(seen.joined.documents, dtype=np.int64)
    np.maximum.at(since, seen.joined.points[points], seen.points.revisions[points])
    np.maximum.at(since, seen.joined.heads[heads], seen.heads.revisions[heads])
    counts = np.bincount(seen.joined.points[live], minlength=seen.joined.documents)
    newest = live[np.lexsort((-seen.points.passage[live], seen.points.revisions[live]))]
    standing = _last(seen.joined.points[newest], newest, seen.joined.documents)
    standing = np.where((kinds != ORPHAN) & (kinds != EXPIRED) & (seen.head != NONE), seen.head, standing)
    in_step = seen.rows[~different & seen.wanted]
    return Differences(kinds[different], seen.rows[different], standing[different], since[different], counts[different], in_step)


def _any(documents: Indices, true: Bools, count: int) -> Bools:
    """For each document whether one of its rows is true."""
    found = np.zeros(count, dtype=np.bool_)
    found[documents[true]] = True
    return found


def _last(documents: Indices, values: Indices, count: int) -> Indices:
    """For each document the last of its values, NONE where it has none."""
    last = np.full(count, NONE, dtype=np.intp)
    last[documents] = values
    return last
