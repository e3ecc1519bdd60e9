"""Vectors computed again: does a point still hold what its text embeds to? Through the same code as the indexer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from syncline_contracts.drift import DriftKind, Finding
from syncline_contracts.errors import DocumentRefused
from syncline_contracts.identity import Ref, point_id
from syncline_contracts.revision import Clock
from syncline_store.document import Row, living
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import Engine
from syncline_store.index.index import Index
from syncline_store.index.points import Field, PointState
from syncline_store.indexing.content import Reader
from syncline_store.indexing.decide import Content
from syncline_store.indexing.embed import embed_texts
from syncline_store.indexing.passages import Splitter
from syncline_store.indexing.points import living as living_points
from syncline_store.indexing.text import is_indexed
from syncline_store.settings import IndexingSettings

SAME = 0.999
"""Cosine below which two vectors are not of the same text (an embedder may round differently from batch to batch)."""

Vectors = npt.NDArray[np.float32]
Wrong = tuple[DriftKind, str]


@dataclass(frozen=True, slots=True)
class Sampled:
    """A document that is at one version on both sides, and what its points should hold."""

    row: Row
    head: PointState
    content: Content

    @property
    def points(self) -> list[str]:
        """The ids of its points."""
        return [point_id(self.row.ref.document, passage) for passage in range(self.content.points)]


class Sample:
    """Recomputes the vectors of documents that are in step otherwise."""

    def __init__(self, engine: Engine, index: Index, embedder: Embedder, clock: Clock, settings: IndexingSettings) -> None:
        self._engine = engine
        self._index = index
        self._embedder = embedder
        self._clock = clock
        self._reader = Reader(engine.namespaces, Splitter(embedder, settings.passage_tokens))

    async def look(self, refs: Sequence[Ref]) -> tuple[int, list[Finding]]:
        """Look at some documents: how many vectors were compared, and the documents whose vectors are not as they should be.

        A document that is changing meanwhile is passed over. Raises Unavailable.
        """
        sampled = await self._in_step(refs)
        points = [point for document in sampled for point in document.points]
        payloads, held = await self._index.payloads(points), await self._index.vectors(points)
        found = [finding for document in sampled if (finding := self._of_payload(document, payloads)) is not None]
        named = {finding.document for finding in found}
        others = [document for document in sampled if document.row.ref.document not in named]
        try:
            count, findings = await self._compared(others, held)
        except DocumentRefused:  # one of them: each on its own
            count, findings = await self._one_by_one(others, held)
        return count, found + findings

    def _of_payload(self, document: Sampled, payloads: Mapping[str, Mapping[str, Any]]) -> Finding | None:
        """The payload of each point against what the indexer would write."""
        row, content = document.row, document.content
        if document.head.passages != content.points:
            return None  # what its text is split into comes first
        segment = self._engine.documents.segment(row.ref)
        vectors = np.zeros((content.points, 0), np.float32)
        for point in living_points(row.ref, row, content, vectors, model=self._index.model, segment=segment):
            there = payloads.get(point.id, {})
            wrong = sorted(name for name, value in point.payload.items() if there.get(name) != value)
            if wrong:
                detail = f"the payload of passage {point.payload[Field.PASSAGE]} disagrees in {', '.join(wrong)}"
                return _finding(document, segment, DriftKind.PAYLOAD, detail)
        return None

    async def _in_step(self, refs: Sequence[Ref]) -> list[Sampled]:
        read = await self._engine.documents.read(refs)
        points = await self._index.points([ref.document for ref in refs])
        rows = [row for row in (living(row, self._clock.now()) for row in read) if row is not None and is_indexed(row)]
        rows = [row for row in rows if _complete(points[row.ref.document], row)]
        contents = await self._reader.contents(rows)
        return [
            Sampled(row, points[row.ref.document][0], content)
            for row, content in zip(rows, contents, strict=True)
            if isinstance(content, Content)
        ]

    async def _compared(self, sampled: Sequence[Sampled], held: Mapping[str, Vectors]) -> tuple[int, list[Finding]]:
        texts = [passage.text for document in sampled for passage in document.content.passages]
        vectors = await embed_texts(self._embedder, texts, self._index.dimensions)
        findings, place = [], 0
        for document in sampled:
            count = len(document.content.passages)
            wrong = _wrong(document, vectors[place : place + count], held)
            place += count
            if wrong is not None:
                findings.append(_finding(document, self._engine.documents.segment(document.row.ref), *wrong))
        return place, findings

    async def _one_by_one(self, sampled: Sequence[Sampled], held: Mapping[str, Vectors]) -> tuple[int, list[Finding]]:
        total, found = 0, []
        for document in sampled:
            try:
                count, findings = await self._compared([document], held)
            except DocumentRefused:
                continue  # it cannot be embedded anew: nothing can be told about it
            total += count
            found += findings
        return total, found


def _complete(points: Sequence[PointState], row: Row) -> bool:
    same = all(point.live and point.version == row.version and point.content_hash == row.content_hash.hex() for point in points)
    return same and [point.passage for point in points] == list(range(points[0].passages)) if points else False


def _wrong(document: Sampled, vectors: Vectors, held: Mapping[str, Vectors]) -> Wrong | None:
    """What is wrong with a document's vectors, None if nothing is."""
    if document.head.passages != document.content.points:
        return DriftKind.PASSAGE_GAP, f"its text has {document.content.points} passage(s), {document.head.passages} are there"
    if not document.content.passages:
        return (DriftKind.CORRUPT, "a vector, but no text") if document.points[0] in held else None
    for passage, (point, vector) in enumerate(zip(document.points, vectors, strict=True)):
        if point not in held:
            return DriftKind.CORRUPT, f"passage {passage} has no vector"
        cosine = _cosine(held[point], vector)
        if not cosine >= SAME:  # not a number: a vector of zeros
            return DriftKind.CORRUPT, f"passage {passage}: cosine {cosine:.3f} with what its text embeds to"
    return None


def _cosine(one: Vectors, other: Vectors) -> float:
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else float("nan")


def _finding(document: Sampled, segment: int, kind: DriftKind, detail: str) -> Finding:
    row = document.row
    return Finding(
        kind=kind,
        document=row.ref.document,
        tenant=row.ref.tenant,
        namespace=row.ref.namespace,
        key=row.ref.key,
        segment=segment,
        source_revision=row.revision,
        index_revision=document.head.revision,
        expires_at=row.expires_at,
        detail=detail,
        since=row.revision,
    )
