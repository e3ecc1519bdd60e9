"""One document's world for the protocol's scenarios: a real engine and a real index, handlers that are walked step by step,
writes whose rows surface when the test says, and the question that each scenario ends with: does the index hold what the source says?

Revisions are small numbers counted from START, times are ticks of five minutes: an event is young for two ticks, a tombstone
is kept for two, a handler has one.
"""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import AsyncQdrantClient

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref, point_id
from syncline_contracts.revision import NEVER, Clock
from syncline_store.document import INDEX_AS_NAMESPACE, INDEX_NOT, Row, Write, canonical, content_hash, living
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import Pos
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.index.index import Index
from syncline_store.index.points import PointState
from syncline_store.index.remote import RemotePoints
from syncline_store.indexing.defer import SOONEST
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.indexer import Indexer
from syncline_store.indexing.outcome import Outcome
from syncline_store.indexing.passages import Splitter
from syncline_store.indexing.text import is_indexed
from syncline_store.settings import IndexingSettings
from tests.parts.clock import SECOND, START, ManualClock
from tests.parts.embedders import HashEmbedder
from tests.parts.gated import Gate, GatedEmbedder, GatedEngine, GatedHandler, GatedIndex
from tests.parts.late_engine import LateEngine

TICK = 300 * SECOND
YOUNG = 2 * TICK
GRACE = 2 * TICK
REF = Ref("acme", ("notes",), "n1")
SETTINGS = IndexingSettings(passage_tokens=16)
"""64 characters a passage."""


def text(name: str, passages: int) -> str:
    """A text of this many passages; other names, other passages."""
    return "\n\n".join(f"{name} {number} ".ljust(60, "x") for number in range(passages))


@dataclass(frozen=True)
class World:
    """Everything around the handlers."""

    engine: LateEngine
    index: Index
    embedder: HashEmbedder
    clock: Clock
    time: ManualClock
    lost: set[Ref]
    """Documents whose rows the storage has lost without a trace."""

    # ---- the source
    def write(
        self,
        revision: int,
        name: str = "",
        passages: int = 1,
        *,
        ref: Ref = REF,
        expires: int | None = None,
        deleted: bool = False,
        indexed: bool = True,
        fields: dict[str, Any] | None = None,
        kind: Kind = Kind.WRITE,
    ) -> Write:
        """A write, not yet landed. `expires`: tick."""
        value = None if deleted else canonical({"text": text(name, passages), **(fields or {})})
        event = ChangeEvent.of(
            ref,
            START + revision,
            kind,
            first_at=self.clock.now(),
            expires_at=NEVER if expires is None else START + expires * TICK,
        )
        return Write(value, content_hash(value), INDEX_AS_NAMESPACE if indexed else INDEX_NOT, event)

    async def surface(self, *writes: Write) -> None:
        """The rows can be read from now on."""
        await self.engine.inner.documents.write(writes)

    async def row(self, ref: Ref = REF) -> Row | None:
        (row,) = await self.engine.documents.read([ref])
        return row

    def repair(self, revision: int, ref: Ref = REF, *, kind: Kind = Kind.REPAIR, age: int = 0, expires: int | None = None) -> Delivery:
        """The reconciler's event; `age` in ticks says how old the state is that it speaks of."""
        expires_at = NEVER if expires is None else START + expires * TICK
        event = ChangeEvent.of(ref, START + revision, kind, first_at=self.clock.now() - age * TICK, expires_at=expires_at)
        return Delivery(event, "repair")

    async def deferred(self, since: int) -> list[Delivery]:
        """The events that were deferred at this time or later: the outbox rows that were placed in the future."""
        rows = [
            row
            for shard in range(self.engine.outbox.shards)
            for row in await self.engine.inner.outbox.read(shard, Pos(since + SOONEST - 1), Pos(NEVER), 1000)
        ]
        return [Delivery(row.event, "outbox") for row in rows]

    # ---- handlers
    def start(self, *deliveries: Delivery | Write) -> GatedHandler:
        """A handler of its own on one batch; it stands before its first step."""
        gate = Gate()
        index = GatedIndex(self.index, gate)
        return GatedHandler(
            gate,
            index,
            self._indexer(GatedEngine(self.engine, gate), index, GatedEmbedder(self.embedder, gate)),
            [_delivery(each) for each in deliveries],
        )

    async def handle(self, *deliveries: Delivery | Write) -> list[Outcome]:
        """A handler that nothing comes between."""
        return await self._indexer(self.engine, self.index, self.embedder).index([_delivery(each) for each in deliveries])

    def _indexer(self, engine: Any, index: Any, embedder: Embedder) -> Indexer:
        return Indexer(engine, index, embedder, clock=self.clock, settings=SETTINGS, tombstone_grace=GRACE)

    async def sweep(self) -> int:
        return await self.index.purge(self.clock.now(), GRACE)

    def tick(self, ticks: int = 1) -> None:
        self.time.time += ticks * TICK

    # ---- what is there
    async def points(self, ref: Ref = REF) -> list[PointState]:
        return (await self.index.points([ref.document]))[ref.document]

    async def assert_in_step(self, *refs: Ref) -> None:
        """The index holds exactly what the source says: revisions, texts, vectors, expiry; and nothing else can be found."""
        for ref in refs or (REF,):
            row = living(await self.row(ref), self.clock.now())
            wanted = row if row is not None and is_indexed(row) else None
            alive = [point for point in await self.points(ref) if point.live and (wanted or point.expires_at > self.clock.now())]
            if wanted is None:
                assert alive == [], "what the source does not hold can be found"
            else:
                await self._assert_shown(ref, wanted, alive)

    async def _assert_shown(self, ref: Ref, row: Row, alive: Sequence[PointState]) -> None:
        passages = Splitter(self.embedder, SETTINGS.passage_tokens).split(json.loads(row.value or "{}")["text"])
        assert [point.passage for point in alive] == list(range(max(1, len(passages)))), "passages are missing, or linger"
        assert {point.version for point in alive} == {row.version}
        assert {point.content_hash for point in alive} == {row.content_hash.hex()}
        ids = [point_id(ref.document, number) for number in range(len(passages))]
        vectors = await self.index.vectors(ids)
        for point, expected in zip(ids, self.embedder.vectors([passage.text for passage in passages]), strict=True):
            np.testing.assert_allclose(vectors[point], expected, atol=1e-5, err_msg="the vector is another text's")


class LosingDocuments:
    """Documents whose rows may be lost."""

    def __init__(self, inner: Any, lost: set[Ref]) -> None:
        self._inner = inner
        self._lost = lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def read(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        rows = await self._inner.read(refs)
        return [None if ref in self._lost else row for ref, row in zip(refs, rows, strict=True)]

    async def read_serial(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        rows = await self._inner.read_serial(refs)
        return [None if ref in self._lost else row for ref, row in zip(refs, rows, strict=True)]


async def open_index(embedder: Embedder, *, by_filter: bool = False, url: str = ":memory:", collection: str = "syncline") -> Index:
    """An index, in memory unless a URL is given. `by_filter`: it is written to as a server is, with filters, which local mode
    evaluates in Python.
    """
    index = await Index.open(url, collection=collection, embedder=embedder)
    if by_filter:
        index._writes = RemotePoints(index._client, collection)
    return index


@asynccontextmanager
async def open_world(
    embedder: HashEmbedder | None = None, *, lateness: int = YOUNG, by_filter: bool = False, server: str | None = None
) -> AsyncIterator[World]:
    """A new world, all in memory but for what a `server` (its URL) keeps. `lateness`: by how much rows may surface after their
    events; `by_filter`: the write path that a Qdrant server gets.
    """
    time = ManualClock()
    clock = Clock(mark=7, now=time)
    embedder = embedder or HashEmbedder()
    engine = LateEngine(await open_sqlite(":memory:", clock=clock), clock.now, documents_lateness=lateness)
    lost: set[Ref] = set()
    engine.documents = LosingDocuments(engine.documents, lost)
    place = on_server(embedder, server) if server else in_memory(embedder, by_filter=by_filter)
    try:
        async with place as opened:
            yield World(engine, opened, embedder, clock, time, lost)
    finally:
        await engine.aclose()


@asynccontextmanager
async def in_memory(embedder: Embedder, *, by_filter: bool = False) -> AsyncIterator[Index]:
    """An index that is gone when it is closed."""
    index = await open_index(embedder, by_filter=by_filter)
    try:
        yield index
    finally:
        await index.aclose()


@asynccontextmanager
async def on_server(embedder: Embedder, url: str, *, grpc_port: int | None = None) -> AsyncIterator[Index]:
    """An index on a server in a collection of its own, which is removed in the end."""
    index = await Index.open(url, collection=f"test-{uuid.uuid4().hex}", embedder=embedder, grpc_port=grpc_port)
    try:
        yield index
    finally:
        await index.aclose()
        await drop_collection(url, index._collection)


@asynccontextmanager
async def a_collection(url: str) -> AsyncIterator[dict[str, str]]:
    """The settings of a store whose index is a collection of its own on a server; it is removed in the end."""
    collection = f"test-{uuid.uuid4().hex}"
    yield {"index": url, "collection": collection}
    await drop_collection(url, collection)


async def drop_collection(url: str, alias: str) -> None:
    """Remove what is behind an alias."""
    qdrant = AsyncQdrantClient(url=url, timeout=600, check_compatibility=False)  # time may be fast
    for each in (await qdrant.get_aliases()).aliases:
        if each.alias_name == alias:
            await qdrant.delete_collection(each.collection_name)
    await qdrant.close()


def _delivery(given: Delivery | Write) -> Delivery:
    return given if isinstance(given, Delivery) else Delivery(given.event, "outbox/0/1")
