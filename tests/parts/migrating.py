"""Both sides and a second model beside the first: the indexers of both, what fills the next one's collection, what is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.identity import SEGMENTS
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import Pos
from syncline_store.index.index import Index
from syncline_store.index.scan import MARKS
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.every import EveryIndex
from syncline_store.indexing.indexer import Indexer
from syncline_store.indexing.outcome import Outcome
from syncline_sync_worker.handler import Handler, HandlerSettings
from syncline_sync_worker.reconcile.reconciler import Reconciler
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.reindex import Build, Side
from tests.parts.embedders import OutableEmbedder, RefusingEmbedder
from tests.parts.reconciling import GRACE, SETTINGS, TwoSides

QUICK = HandlerSettings(first_retry=0.001, longest_retry=0.01, retry_for=0.02, open_for=0.01)


class Poisonable(RefusingEmbedder, OutableEmbedder):
    """The next model: refuses what holds its marker, and can be out."""

    def __init__(self, marker: str = "POISON", dimensions: int = 8) -> None:
        super().__init__(marker, dimensions)
        self.out = False


@dataclass(frozen=True)
class Migrating:
    """`next` is the index of the model that is migrated to."""

    sides: TwoSides
    next: Index
    embedder: Poisonable

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, *, index: str | None = None) -> AsyncIterator["Migrating"]:
        async with TwoSides.open(folder, index=index) as sides:
            embedder = Poisonable()
            yield cls(sides, await sides.index.beside(embedder), embedder)

    def indexer(self, index: Index, embedder: Embedder) -> Indexer:
        engine, clock = self.sides.engine, self.sides.clock
        return Indexer(engine, index, embedder, clock=clock, settings=SETTINGS, tombstone_grace=GRACE, alone=False)

    def every(self, own: Embedder | None = None) -> EveryIndex:
        """What a worker indexes with while `next` is set."""
        sides = self.sides
        return EveryIndex(
            [sides.index, self.next],
            self.indexer(sides.index, own or sides.embedder),
            self.indexer(self.next, self.embedder),
            sides.engine.dead_letters,
            every=0.0,
        )

    async def handle(self, own: Embedder | None = None) -> list[Outcome]:
        """All that is pending, in both."""
        self.sides.time.forward(1)
        now = Pos(self.sides.clock.now())
        rows = await self.sides.unhandled()
        outcomes = await self.every(own).index([Delivery(row.event, "outbox") for row in rows])
        await self.sides.checkpoint(now)
        return outcomes

    def build(self, *, batch: int = 4, per_range: int = 10) -> Build:
        handler = Handler(self.indexer(self.next, self.embedder), self.sides.engine.dead_letters, clock=self.sides.clock, settings=QUICK)
        return Build(self.sides.engine, self.next, handler, self.sides.clock, per_range=per_range, batch=batch)

    def side(self, *, following: bool = True) -> Side:
        return Side(self.next, self.embedder, "next.embedder") if following else Side(self.sides.index, self.sides.embedder, "embedder")

    def reconciler(self, side: Side) -> Reconciler:
        settings = ReconcileSettings(settle=0.0, delay=0.0)

        async def pass_time(seconds: float) -> None:
            self.sides.time.forward(seconds)
            await asyncio.sleep(0)

        return Reconciler(
            self.sides.engine, side.index, side.embedder, SETTINGS, clock=self.sides.clock, settings=settings, sleep=pass_time
        )

    async def letters(self, *, closed: bool = False) -> list[DeadLetter]:
        return list((await self.sides.engine.dead_letters.scan(None, 100, closed=closed)).items)

    @staticmethod
    async def living(index: Index) -> set[str]:
        """The keys of the documents that can be found there."""
        found: set[str] = set()
        async for block in index.scan(0, SEGMENTS - 1):
            found |= {ref.key for ref, mark in zip(block.refs, block.marks, strict=True) if ref is not None and MARKS[mark] == "live"}
        return found
