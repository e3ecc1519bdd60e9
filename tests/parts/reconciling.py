"""Both sides, real: SQLite and Qdrant's local mode in a folder, the indexer between them, and a clock that stands still."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from qdrant_client import AsyncQdrantClient

from syncline_contracts.drift import DriftKind, DriftReport, Verdict
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER, Clock
from syncline_store.document import INDEX_AS_NAMESPACE, INDEX_NOT, Row, Write, canonical, content_hash
from syncline_store.engines.protocol import OutboxRow, Pos, Stored
from syncline_store.engines.sqlite import SqliteEngine, open_sqlite
from syncline_store.index.client import PATH
from syncline_store.index.index import Index
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.indexer import Indexer
from syncline_store.indexing.outcome import Outcome
from syncline_store.indexing.pages import pages
from syncline_store.settings import IndexingSettings
from syncline_store.testing import WordEmbedder
from syncline_sync_worker.reconcile.reconciler import Reconciler
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.reconcile.unhandled import DIRECT, Unhandled
from tests.parts.clock import SECOND, ManualClock
from tests.parts.through import Through
from tests.parts.world import drop_collection

COLLECTION = "test"
NOTES = ("notes",)
HOUR = 3_600_000_000
GRACE = 24 * HOUR
SETTINGS = IndexingSettings(passage_tokens=16)
"""So few tokens that sixty words are several passages."""

Hook = Callable[[], Awaitable[object]]


def note(key: str, tenant: str = "acme") -> Ref:
    return Ref(tenant, NOTES, key)


def long_text(*sentences: str) -> str:
    """A passage for each sentence."""
    return "\n\n".join(f"{sentence} ".ljust(60, "x") for sentence in sentences)


N1, N2, N3 = note("n1"), note("n2"), note("n3")
THREE = long_text("the cat sat on the mat", "the dog dug a hole", "the bird built a nest")


class TwoSides:
    def __init__(self, folder: Path, clock: Clock, time: ManualClock, engine: SqliteEngine, index: Index, *, url: str) -> None:
        self.folder = folder
        self.url = url
        self.clock = clock
        self.time = time
        self.engine = engine
        self.embedder = WordEmbedder(32)
        self.index = index
        self.outcomes: list[Outcome] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, clock: Clock | None = None, *, index: str | None = None, database: str | None = None
    ) -> AsyncIterator["TwoSides"]:
        time = ManualClock()
        clock = clock or Clock(mark=7, now=time)
        engine = await open_sqlite(database or str(folder / "documents.db"), clock=clock, shards=2)
        url = index or f"{PATH}{folder / 'index'}"
        sides = cls(folder, clock, time, engine, await _open_index(url), url=url)
        try:
            yield sides
        finally:
            await sides.index.aclose()
            await engine.aclose()
            if "://" in url:
                await drop_collection(url, COLLECTION)

    # ------------------------------------------------------------------ the source

    async def put(self, ref: Ref, text: str, *, expires_at: int = NEVER, indexed: bool = True, revision: int | None = None) -> int:
        """The document and its event, as the store writes them."""
        event = ChangeEvent.of(ref, revision or self.clock.tick(), Kind.WRITE, first_at=self.clock.now(), expires_at=expires_at)
        return await self._write(event, canonical({"text": text}), INDEX_AS_NAMESPACE if indexed else INDEX_NOT)

    async def delete(self, ref: Ref) -> int:
        return await self._write(ChangeEvent.of(ref, self.clock.tick(), Kind.WRITE, first_at=self.clock.now()), None)

    async def _write(self, event: ChangeEvent, value: str | None, index_spec: str = INDEX_AS_NAMESPACE) -> int:
        assert await self.engine.documents.write([Write(value, content_hash(value), index_spec, event)]) == [Stored()]
        return event.revision

    async def extend(self, ref: Ref, expires_at: int) -> None:
        """A refresh on read: the same columns at the same revision live longer."""
        row = await self.row(ref)
        assert row is not None
        await self._write(ChangeEvent.of(ref, row.revision, Kind.TOUCH, first_at=self.clock.now(), expires_at=expires_at), row.value)

    async def row(self, ref: Ref) -> Row | None:
        return (await self.engine.documents.read([ref]))[0]

    async def sql(self, statement: str, *parameters: object) -> None:
        """Behind the engine's back."""
        await self.engine._connections.writing.run(lambda connection: connection.execute(statement, parameters).fetchall())

    # ------------------------------------------------------------------ the pipeline

    async def unhandled(self) -> list[OutboxRow]:
        marks = await self.engine.leases.marks()
        found: list[OutboxRow] = []
        for shard in range(self.engine.outbox.shards):
            async for page in pages(self.engine.outbox, shard, marks[shard] or Pos(0), Pos(self.clock.now() + SECOND), 1_000):
                found += page
        return found

    async def handle(self) -> list[OutboxRow]:
        """Index all there is, then move the marks up to now."""
        self.time.forward(1)
        now = Pos(self.clock.now())
        rows = await self.unhandled()
        self.outcomes += await self.indexer.index([Delivery(row.event, f"outbox/{row.shard}/{row.pos}") for row in rows])
        await self.checkpoint(now)
        return rows

    async def checkpoint(self, mark: Pos) -> None:
        """Everything up to there is handled."""
        for shard in range(self.engine.outbox.shards):
            lease = await self.engine.leases.acquire(shard, "test", HOUR)
            assert lease is not None
            assert await self.engine.leases.checkpoint(lease, mark)
            await self.engine.leases.release(lease)

    @property
    def indexer(self) -> Indexer:
        return Indexer(self.engine, self.index, self.embedder, clock=self.clock, settings=SETTINGS, tombstone_grace=GRACE)

    # ------------------------------------------------------------------ behind Syncline's back

    @asynccontextmanager
    async def behind_its_back(self) -> AsyncIterator[AsyncQdrantClient]:
        """Close the index, open the folder (or the server) with the raw client, and open the index again."""
        await self.index.aclose()
        raw = (
            AsyncQdrantClient(url=self.url, check_compatibility=False)
            if "://" in self.url
            else AsyncQdrantClient(path=self.url[len(PATH) :])
        )
        try:
            yield raw
        finally:
            await raw.close()
            self.index = await _open_index(self.url)

    # ------------------------------------------------------------------ the reconciler

    def reconciler(
        self,
        *,
        engine: Any = None,
        index: Any = None,
        sleep: Any = None,
        unhandled: Unhandled = DIRECT,
        overdue: int | None = None,
        **settings: Any,
    ) -> Reconciler:
        """Its delays let the clock run, and nothing wait, unless `sleep` is given."""

        async def pass_time(seconds: float) -> None:
            self.time.forward(seconds)

        return Reconciler(
            engine or self.engine,
            index or self.index,
            self.embedder,
            SETTINGS,
            clock=self.clock,
            settings=ReconcileSettings(**settings),
            unhandled=unhandled,
            overdue=overdue,
            sleep=sleep or pass_time,
        )


async def _open_index(url: str) -> Index:
    return await Index.open(url, collection=COLLECTION, embedder=WordEmbedder(32))


def kinds(report: DriftReport) -> dict[str, DriftKind]:
    """Each finding's kind by the document's key."""
    assert report.refused is None
    found = {finding.key: finding.kind for finding in report.findings}
    assert len(found) == len(report.findings)
    return found


async def settled(sides: TwoSides, seconds: float = 60.0) -> None:
    """Everything is handled, and the settle window has passed."""
    await sides.handle()
    sides.time.forward(seconds)


async def repair_and_expect_nothing_left(sides: TwoSides, sample: float = 0.0) -> None:
    reconciler = sides.reconciler()
    report = await reconciler.check(sample=sample)
    assert report.verdict is Verdict.DRIFT
    repaired = await reconciler.repair(report)
    assert (repaired.repaired, repaired.refused) == (len(report.findings), None)
    handled = await sides.handle()
    assert {row.event.kind for row in handled} == {Kind.REPAIR}
    again = await sides.reconciler().check(sample=sample)
    assert (again.verdict, again.young, again.findings) == (Verdict.IN_STEP, 0, ())


class Watched:
    """Engine and index as they are, but every read of the reconciler is written down, and hooks run at it.

    ``on("source", hook)`` runs the hook right after the next read of the source; the same with "index" and "horizon".
    """

    def __init__(self, sides: TwoSides) -> None:
        self.reads: list[str] = []
        self._hooks: list[tuple[str, Hook]] = []
        self.engine = Through(
            sides.engine,
            documents=Through(
                sides.engine.documents,
                heads=self._blocks("source", sides.engine.documents.heads),
                read=self._call("source", sides.engine.documents.read),
            ),
            leases=Through(sides.engine.leases, marks=self._call("horizon", sides.engine.leases.marks)),
        )
        self.index = Through(sides.index, scan=self._blocks("index", sides.index.scan), points=self._call("index", sides.index.points))

    def on(self, side: str, hook: Hook) -> None:
        self._hooks.append((side, hook))

    async def nothing(self) -> None:
        """For a read that passes."""

    @property
    def order(self) -> list[str]:
        """The reads, repetitions left out."""
        return [read for place, read in enumerate(self.reads) if place == 0 or self.reads[place - 1] != read]

    async def _happened(self, side: str) -> None:
        self.reads.append(side)
        if self._hooks and self._hooks[0][0] == side:
            await self._hooks.pop(0)[1]()

    def _call(self, side: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **named: Any) -> Any:
            answer = await method(*arguments, **named)
            await self._happened(side)
            return answer

        return call

    def _blocks(self, side: str, method: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        async def read(*arguments: Any) -> AsyncIterator[Any]:
            async for block in method(*arguments):
                yield block
            await self._happened(side)

        return read
