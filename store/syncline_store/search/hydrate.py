"""From what the index found to documents as the source holds them now, in one grouped read.

The index may be behind, or damaged; the source decides. What it does not hold, deleted, let expire or keeps out of the index is
dropped, and so is whatever is not this tenant's and below this prefix (architecture, invariant 9).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from syncline_contracts.identity import Ref
from syncline_store.directory import Directory
from syncline_store.document import INDEX_NOT, Document, Row
from syncline_store.engines.protocol import Documents
from syncline_store.filters import match
from syncline_store.index.state import Found
from syncline_store.indexing.text import BETWEEN, texts_of
from syncline_store.search.asked import Score
from syncline_store.search.question import Question


class Reason(StrEnum):
    """Why something that the index found is not given to the app."""

    FOREIGN = "foreign"
    """Of another tenant or namespace, or its id is not its address's: the point is damaged."""
    GONE = "gone"
    DELETED = "deleted"
    EXPIRED = "expired"
    NOT_INDEXED = "not_indexed"
    """The source says by now that it is not to be found by searching."""
    CHANGED = "changed"
    """It no longer satisfies the filter; the index has not heard of it yet."""
    HEADLESS = "headless"
    """A passage whose head is not there."""
    STALE_PASSAGE = "stale_passage"
    """A passage of another revision than its head (H15)."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What the index found and the app is not given."""

    found: Found
    reason: Reason

    @property
    def ref(self) -> Ref:
        """The document that the point says it belongs to."""
        return self.found.ref

    @property
    def is_drift(self) -> bool:
        """Whether the index should no longer hold it so; one that changed meanwhile has its event already."""
        return self.reason not in (Reason.FOREIGN, Reason.CHANGED)


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that a search found, as the source holds it now. `score` is the best passage's, None without a query.

    `scored_by` says what the score is: "cosine", or "rrf" where the search was hybrid (its order alone, never to be held against others).

    `passage` is the text that matched best, `span` where it stands in the document's embedded text: (start, end) in characters.
    `indexed_revision` is what the index knew; where `revision` is later, the score is the older text's, and both are None. It is None
    itself where the index was not asked, because it is out (`fallback`).
    """

    document: Document
    score: float | None
    indexed_revision: int | None
    passage: str | None
    span: tuple[int, int] | None
    scored_by: Score | None = None

    @property
    def namespace(self) -> tuple[str, ...]:
        """Where it lives."""
        return self.document.namespace

    @property
    def key(self) -> str:
        """Its key."""
        return self.document.key

    @property
    def value(self) -> dict[str, Any]:
        """Its value."""
        return self.document.value

    @property
    def revision(self) -> int:
        """Its revision in the source."""
        return self.document.revision


class Hydration:
    """Reads the source for searches."""

    def __init__(self, documents: Documents, directory: Directory) -> None:
        self._documents = documents
        self._directory = directory

    async def read(self, question: Question, found: Sequence[Found], now: int) -> list[Hit | Dropped]:
        """What became of each point, in the order given; one point a document. Raises StorageUnavailable."""
        ours = [point for point in found if _is_ours(point, question)]
        rows = await self._documents.read([point.ref for point in ours]) if ours else ()
        judged = {point.state.document: await self._judged(point, row, question, now) for point, row in zip(ours, rows, strict=True)}
        return [judged.get(point.state.document) or Dropped(point, Reason.FOREIGN) for point in found]

    async def _judged(self, point: Found, row: Row | None, question: Question, now: int) -> Hit | Dropped:
        lost = _lost(row, now)
        if row is None or lost is not None:
            return Dropped(point, lost or Reason.GONE)
        document = Document.of(row)
        if row.revision == point.state.revision:
            return Hit(
                document, _score(point, question), row.revision, await self._passage(row, document, point), point.span, question.score
            )
        settings = await self._directory.settings(row.ref.tenant, row.ref.namespace)
        if not match(question.condition, document.value, settings.kept):
            return Dropped(point, Reason.CHANGED)
        return Hit(document, _score(point, question), point.state.revision, None, None, question.score)

    async def _passage(self, row: Row, document: Document, point: Found) -> str | None:
        if point.span is None:
            return None
        settings = await self._directory.settings(row.ref.tenant, row.ref.namespace)
        start, end = point.span
        return BETWEEN.join(texts_of(document.value, row.index_spec, settings.fields))[start:end]


def _is_ours(point: Found, question: Question) -> bool:
    ref = point.ref
    below = ref.namespace[: len(question.prefix)] == question.prefix
    return ref.tenant == question.tenant and below and ref.document == point.state.document


def _lost(row: Row | None, now: int) -> Reason | None:
    """Why the source does not give the document to searches, None where it does."""
    if row is None:
        return Reason.GONE
    if row.deleted:
        return Reason.DELETED
    if row.gone(now):
        return Reason.EXPIRED
    return Reason.NOT_INDEXED if row.index_spec == INDEX_NOT else None


def _score(point: Found, question: Question) -> float | None:
    return None if question.vector is None else point.score
