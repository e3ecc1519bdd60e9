"""From a verdict and its vectors to the changes of one document. Pure but for what it was made with."""

from dataclasses import dataclass
from typing import assert_never

from syncline_contracts.revision import NEVER
from syncline_store.embedding.protocol import Vectors
from syncline_store.engines.protocol import Documents
from syncline_store.index import changes, guard
from syncline_store.index.points import Mark, Point
from syncline_store.indexing import points
from syncline_store.indexing.decide import Case, Defer, Embed, Gone, Refresh, Remove, Skip, Verdict
from syncline_store.indexing.plan import Planned

NO_EXPIRY = 0
"""A tombstone never replaces a living point of its own revision for that point's earlier expiry."""


@dataclass(frozen=True, slots=True)
class Planner:
    """`tombstone_grace`: µs that a tombstone point is kept."""

    documents: Documents
    model: str
    tombstone_grace: int

    def plan(self, case: Case, verdict: Verdict, vectors: Vectors | None = None) -> Planned:
        """The changes that a verdict asks for; `vectors` of an Embed, one a passage."""
        if isinstance(verdict, Skip | Defer):
            return Planned(case, verdict)
        if isinstance(verdict, Refresh):
            return self._refresh(case, verdict)
        if isinstance(verdict, Embed):
            if vectors is None:
                raise ValueError("an Embed is planned with its vectors")
            return self._embed(case, verdict, vectors)
        if isinstance(verdict, Remove):
            return self._remove(case, verdict)
        if isinstance(verdict, Gone):
            return self._gone(case, verdict)
        assert_never(verdict)

    def _refresh(self, case: Case, verdict: Refresh) -> Planned:
        row, content = verdict.row, verdict.content
        change = changes.Refresh(case.work.document, row.revision, row.expires_at, content.text_hash, points.changing(row, content))
        return Planned(case, verdict, refresh=change)

    def _embed(self, case: Case, verdict: Embed, vectors: Vectors) -> Planned:
        ref, row = case.work.ref, verdict.row
        head, *passages = points.living(ref, row, verdict.content, vectors, model=self.model, segment=self.documents.segment(ref))
        # a mend removes what it does not mean at its own revision too: passages of another cut
        surplus = _surplus(case, len(passages) + 1, row.revision + 1 if verdict.mend else row.revision)
        kind = guard.Mend if verdict.mend else guard.Plain
        return Planned(case, verdict, passages=passages, surplus=surplus, head=head, guard=kind(row.revision, row.expires_at))

    def _remove(self, case: Case, verdict: Remove) -> Planned:
        row = verdict.row
        allowed = guard.Mend(row.revision, NEVER) if verdict.mend else guard.Plain(row.revision, NO_EXPIRY)
        surplus = _surplus(case, 1, row.revision + 1 if verdict.mend else row.revision)
        return Planned(case, verdict, surplus=surplus, head=self._tombstone(case, row.revision, Mark.DELETED), guard=allowed)

    def _gone(self, case: Case, verdict: Gone) -> Planned:
        document = case.work.document
        surplus = changes.Removal(document, 1, verdict.revision, verdict.passages) if any(point.passage for point in case.seen) else None
        head = self._tombstone(case, verdict.revision, Mark.GONE)
        return Planned(case, verdict, surplus=surplus, head=head, guard=guard.Gone(verdict.revision, verdict.head))

    def _tombstone(self, case: Case, revision: int, mark: Mark) -> Point:
        ref = case.work.ref
        return points.tombstone(ref, revision, mark, case.now + self.tombstone_grace, model=self.model, segment=self.documents.segment(ref))


def _surplus(case: Case, first: int, below: int) -> changes.Removal | None:
    """Passages from `first` on, if any was seen; what comes later is settle's."""
    if any(point.passage >= first for point in case.seen):
        return changes.Removal(case.work.document, first, below)
    return None
