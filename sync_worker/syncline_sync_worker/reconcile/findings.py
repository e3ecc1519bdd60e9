"""Differences as findings: what each side held, in words. Only what differs comes here, so this may go row by row."""

import uuid
from dataclasses import dataclass

import numpy as np

from syncline_contracts.drift import DriftKind, Finding
from syncline_contracts.identity import point_id
from syncline_store.engines.protocol import Heads
from syncline_store.index.points import Mark
from syncline_store.index.scan import MARKS, IndexPoints
from syncline_sync_worker.reconcile.compare import KINDS, NONE, Bools, Differences


@dataclass(frozen=True, slots=True)
class Sides:
    """What was compared, and as of when (µs since 1970)."""

    heads: Heads
    points: IndexPoints
    model: str
    now: int

    def named(self, differences: Differences) -> Bools:
        """Of which differences the document is known by name: there is a row, or a point whose payload says it, and truly."""
        places = zip(differences.rows.tolist(), differences.points.tolist(), strict=True)
        return np.array([row != NONE or self._says_its_name(point) for row, point in places], np.bool_)

    def _says_its_name(self, point: int) -> bool:
        """A name from which another id follows is another document's: nothing may be asked, or repaired, by it."""
        ref, (high, low) = self.points.refs[point], self.points.documents[point].tolist()
        return ref is not None and ref.document.int == high << 64 | low

    def findings(self, differences: Differences) -> list[Finding]:
        """A finding for each of these, all named, in the columns' order."""
        return [
            self._finding(KINDS[kind], row, point, since, live)
            for kind, row, point, since, live in zip(
                differences.kinds.tolist(),
                differences.rows.tolist(),
                differences.points.tolist(),
                differences.since.tolist(),
                differences.live.tolist(),
                strict=True,
            )
        ]

    def _finding(self, kind: DriftKind, row: int, point: int, since: int, live: int) -> Finding:
        heads, points = self.heads, self.points
        ref = points.refs[point] if row == NONE else heads.refs[row]
        if ref is None:
            raise ValueError("an unnamed difference has no finding")
        high, low = (points.documents[point] if row == NONE else heads.ids[row]).tolist()
        strays = self._strays(high, low)
        said = self._detail(kind, row, point, live)
        # An orphan's repair names the state of the point, any other's that of the row.
        expires_at = points.expires_at[point] if kind.removal else heads.expires_at[row]
        return Finding(
            kind=kind,
            document=uuid.UUID(int=high << 64 | low),
            tenant=ref.tenant,
            namespace=ref.namespace,
            key=ref.key,
            segment=int(points.segments[point] if row == NONE else heads.segments[row]),
            source_revision=None if row == NONE else int(heads.revisions[row]),
            index_revision=None if point == NONE else int(points.revisions[point]),
            expires_at=int(expires_at),
            detail=f"{said}; {len(strays)} point(s) stand under strange ids" if strays else said,
            since=since,
            points=strays,
        )

    def _detail(self, kind: DriftKind, row: int, point: int, live: int) -> str:
        match kind:
            case DriftKind.ORPHAN:
                said = f"{live} live point(s) of a document that {self._why_unwanted(row)}"
            case DriftKind.EXPIRED:
                said = f"{live} point(s) that expired long ago: no sweep removed them"
            case DriftKind.MISSING:
                said = "the index has no head of it" + (f", but {live} other passage(s)" if live else "")
            case DriftKind.STALE:
                said = self._why_stale(row, point)
            case DriftKind.DUPLICATE:
                said = "a passage has two points, and searches find it twice"
            case DriftKind.PASSAGE_GAP:
                said = f"the head counts {int(self.points.passages[point])} passage(s), {live} live point(s) are there"
            case _:
                said = f"embedded with {self.points.models[point]!r}, not with {self.model!r}"
        return said

    def _strays(self, high: int, low: int) -> tuple[str, ...]:
        """The document's points whose ids are not those of their passages. Points that were read by their ids do not tell them."""
        document, documents = uuid.UUID(int=high << 64 | low), self.points.documents
        held = np.flatnonzero((documents[:, 0] == np.uint64(high)) & (documents[:, 1] == np.uint64(low))).tolist()
        named = ((self.points.ids[at], point_id(document, int(self.points.passage[at]))) for at in held)
        return tuple(there for there, expected in named if there not in ("", expected))

    def _why_unwanted(self, row: int) -> str:
        if row == NONE:
            return "has no row"
        if self.heads.deleted[row]:
            return "was deleted"
        return "has expired" if self.heads.expires_at[row] <= self.now else "is kept out of the index"

    def _why_stale(self, row: int, point: int) -> str:
        heads, points = self.heads, self.points
        if MARKS[points.marks[point]] is not Mark.LIVE:
            return "a tombstone stands in its place"
        ahead = (points.revisions[point], points.expires_at[point]) > (heads.revisions[row], heads.expires_at[row])
        if ahead:
            return "the index is ahead of the source: a repair moves no point back (invariant 3), so delete its points, then repair"
        if points.revisions[point] < heads.revisions[row]:
            return "the index holds an older revision"
        if (points.content_hashes[point] != heads.content_hashes[row]).any():
            return "same revision, another content"
        if points.expires_at[point] != heads.expires_at[row]:
            return "same revision, an earlier expiry"
        return "a passage is of another version than its head"
