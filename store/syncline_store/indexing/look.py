"""Steps 2 to 5: read the index's points, then the rows, and decide on each document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline_contracts.errors import DocumentRefused
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.document import Row
from syncline_store.engines.protocol import Documents
from syncline_store.indexing.coalesce import Coalesced
from syncline_store.indexing.content import Reader
from syncline_store.indexing.decide import Case, Content, Show, Verdict, compare, decide

if TYPE_CHECKING:  # qdrant-client takes seconds to import
    from syncline_store.index.index import Index


@dataclass(frozen=True, slots=True)
class Open:
    """A document still to be handled; `tries` counts how often settle sent it back."""

    work: Coalesced
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Decided:
    """A document and what is to be done for it; a refusal where its text cannot be read."""

    case: Case
    verdict: Verdict | DocumentRefused


@dataclass(frozen=True, slots=True)
class Look:
    """Looks at both sides."""

    index: "Index"
    documents: Documents
    reader: Reader
    clock: Clock

    async def cases(self, waiting: Sequence[Open]) -> list[Case]:
        """The time is taken first, the points are read before the rows: a row seen is at least as new as its points (H11)."""
        now = self.clock.now()
        points = await self.index.points([each.work.document for each in waiting])
        rows = await self.documents.read([each.work.ref for each in waiting])
        serial = await self._serial([each.work for each in waiting if each.work.intents])
        return [
            Case(each.work, points[each.work.document], serial.get(each.work.ref, row), now, each.tries)
            for each, row in zip(waiting, rows, strict=True)
        ]

    async def _serial(self, works: Sequence[Coalesced]) -> Mapping[Ref, Row | None]:
        """The rows of what has an intent: its conditional write, if it was begun, is in them or will never be (C2)."""
        refs = [work.ref for work in works]
        return dict(zip(refs, await self.documents.read_serial(refs), strict=True)) if refs else {}

    async def decide(self, cases: Sequence[Case]) -> list[Decided]:
        """A verdict for each, in order. Only what is to be shown has its text read."""
        first = [(case, decide(case, self.documents.lateness)) for case in cases]
        texts = iter(await self.reader.contents([verdict.row for _, verdict in first if isinstance(verdict, Show)]))
        return [
            Decided(case, self._compare(case, verdict.row, next(texts)) if isinstance(verdict, Show) else verdict)
            for case, verdict in first
        ]

    def _compare(self, case: Case, row: Row, content: Content | DocumentRefused) -> Verdict | DocumentRefused:
        return content if isinstance(content, DocumentRefused) else compare(case, row, content, self.index.model)
