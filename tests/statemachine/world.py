"""What the state machine moves: a real store, a real index, and a relay that delivers as badly as it can."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from qdrant_client import models

from syncline_contracts.errors import Unavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref, point_id
from syncline_contracts.revision import Clock
from syncline_store import Store, TenantView
from syncline_store.document import Row, Write, living
from syncline_store.filters import parse
from syncline_store.filters.qdrant import to_qdrant
from syncline_store.index.index import Index
from syncline_store.index.points import PointState
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.indexer import Indexer
from syncline_store.indexing.text import is_indexed, text_of
from syncline_store.parts import open_parts
from syncline_store.settings import IndexingSettings, store_settings
from syncline_store.testing import WordEmbedder
from tests.parts.clock import ManualClock
from tests.parts.outbox import deliveries

T = TypeVar("T")

NAMESPACE = ("notes",)
ALONE = "acme"
"""The tenant of a world whose storage is its own."""
SETTINGS = store_settings(
    store="sqlite:///:memory:", index=":memory:", indexing="relay", indexing_settings=IndexingSettings(passage_tokens=16)
)


class CrashError(Exception):
    """The indexer's process died."""


class Gate:
    """Lets a worker's requests through but one, its n-th: there the worker stands, before the request or after it took effect."""

    def __init__(self, at: int, *, after: bool) -> None:
        self._left = at
        self._after = after
        self._go = asyncio.Event()
        self._dies = False
        self.reached = asyncio.Event()
        self.holds_a_write = False

    async def through(self, request: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self._left -= 1
        if self._left != -1:
            return await request()
        if self._after:
            answer = await request()
            await self._stand()
            return answer
        self.holds_a_write = writes
        await self._stand()
        answer = await request()
        if self._dies:
            raise CrashError
        return answer

    async def _stand(self) -> None:
        self.reached.set()
        await self._go.wait()

    def open(self, *, dies: bool = False) -> None:
        """Go on; with `dies` until the request that is held has landed, and no further."""
        self._dies = dies
        self._go.set()


class Gated:
    """The index or the rows, as a worker sees them whose requests pass a gate."""

    def __init__(self, inner: Any, gate: Gate, *, reads: str, writes: Sequence[str] = ()) -> None:
        self._inner = inner
        self._gate = gate
        self._names = {reads: False} | dict.fromkeys(writes, True)

    def __getattr__(self, name: str) -> Any:
        there = getattr(self._inner, name)
        if name not in self._names:
            return there
        return lambda *given: self._gate.through(lambda: there(*given), writes=self._names[name])


class GatedEngine:
    def __init__(self, inner: Any, gate: Gate) -> None:
        self._inner = inner
        self.documents = Gated(inner.documents, gate, reads="read")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass(eq=False)
class Worker:
    """A batch under way, standing at its gate."""

    batch: Sequence[Delivery]
    gate: Gate
    task: "asyncio.Task[Any]"

    async def go_on(self) -> bool:
        """To its end; whether it may acknowledge."""
        self.gate.open()
        try:
            await self.task
        except Unavailable:  # past its deadline
            return False
        return True

    async def land_and_die(self) -> None:
        """The request that it stands before takes effect, after all; the worker is no more."""
        self.gate.open(dies=True)
        await asyncio.gather(self.task, return_exceptions=True)

    async def die(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class World:
    """A store of one tenant, and an index in memory. Time stands still unless it is moved."""

    def __init__(self, store: Store, time: ManualClock, index: Index, tenant: str = ALONE) -> None:
        self.store = store
        self.time = time
        self.began = time() - 1
        self.clock = store.parts.clock
        self.index = index
        self.tenant = tenant
        self.alone = tenant == ALONE
        self.view: TenantView = store.tenant(tenant)
        self.indexer = self.new_indexer(index)

    @classmethod
    async def in_memory(cls) -> Self:
        time = ManualClock()
        store = Store(await open_parts(SETTINGS, embedder=WordEmbedder(), clock=Clock(now=time)))
        return cls(store, time, await store.parts.index())

    def new_indexer(self, index: Any, engine: Any = None) -> Indexer:
        parts = self.store.parts
        settings = parts.settings
        return Indexer(
            engine or parts.engine,
            index,
            parts.embedder,
            clock=self.clock,
            settings=settings.indexing_settings,
            tombstone_grace=settings.tombstone_grace_us,
        )

    async def events(self) -> list[Delivery]:
        """This tenant's: another's deferred events may stand behind the time at which this world began."""
        found = await deliveries(self.store.parts.engine, self.began)
        return [delivery for delivery in found if delivery.event.tenant == self.tenant]

    async def start(self, batch: Sequence[Delivery], at: int, *, after: bool) -> Worker | None:
        """A worker that stands at its n-th request, None when it was done before."""
        gate = Gate(at, after=after)
        index = Gated(self.index, gate, reads="points", writes=("upsert", "refresh", "remove"))
        indexer = self.new_indexer(index, GatedEngine(self.store.parts.engine, gate))
        task = asyncio.create_task(indexer.index(batch))
        reached = asyncio.create_task(gate.reached.wait())
        await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED)
        if reached.done():
            return Worker(batch, gate, task)
        reached.cancel()
        await task
        return None

    async def at_once(self, batches: Sequence[Sequence[Delivery]]) -> None:
        """Several workers."""
        await asyncio.gather(*(self.new_indexer(self.index).index(batch) for batch in batches))

    async def touch(self, key: str, seconds: int) -> bool:
        """Prolong the life of a row that has one: the same columns at the same revision, as a refreshed TTL is written."""
        row = living(await self.row(key), self.clock.now())
        expires_at = self.clock.now() + seconds * 1_000_000
        if row is None or row.expires_at >= expires_at:
            return False
        event = ChangeEvent.of(row.ref, row.revision, Kind.TOUCH, first_at=self.clock.now(), expires_at=expires_at)
        event = event.model_copy(update={"id": row.write_id})
        await self.store.parts.engine.documents.write([Write(row.value, row.content_hash, row.index_spec, event, seconds)])
        return True

    async def repair(self, key: str, revision: int, expires_at: int) -> None:
        event = ChangeEvent.of(self.ref(key), revision, Kind.REPAIR, first_at=min(self.clock.now(), revision), expires_at=expires_at)
        await self.store.parts.engine.outbox.append([event])

    async def sweep(self) -> None:
        now = self.clock.now()
        await self.store.parts.engine.expire(now)
        await self.index.purge(now, self.store.parts.settings.tombstone_grace_us)

    async def row(self, key: str) -> Row | None:
        (row,) = await self.store.parts.engine.documents.read([self.ref(key)])
        return row

    async def points(self, keys: Sequence[str]) -> dict[str, list[PointState]]:
        found = await self.index.points([self.ref(key).document for key in keys])
        return {key: found[self.ref(key).document] for key in keys}

    async def filtered(self, number: int) -> set[str]:
        """Keys of the heads that the index finds by the field `n`, expired ones left out."""
        condition = parse({"n": number})
        assert condition is not None
        live = models.FieldCondition(key="mark", match=models.MatchValue(value="live"))
        page = await self.index.filtered(models.Filter(must=[live, to_qdrant(condition)]), None, 1_000)
        return {found.ref.key for found in page.items if found.state.expires_at > self.clock.now()}

    async def shown(self, query: str | None) -> dict[str, int]:
        """What a search gives: key and the revision that the index knew."""
        return {hit.key: hit.indexed_revision for hit in await self.view.search(query=query, limit=100)}

    async def vector_is_the_text_s(self, row: Row, value: dict[str, Any]) -> bool:
        """For a document of one passage."""
        text = text_of(value, ["$"]).strip()
        point = point_id(row.ref.document, 0)
        vectors = await self.index.vectors([point])
        if not text:
            return not vectors
        expected = (await self.store.parts.embedder.embed_documents([text]))[0]
        return bool(abs(vectors[point] - expected).max() < 1e-5)

    def ref(self, key: str) -> Ref:
        return Ref(self.tenant, NAMESPACE, key)

    async def aclose(self) -> None:
        await self.store.aclose()


def to_be_found(row: Row | None, now: int) -> bool:
    """Whether the index should hold the document."""
    row = living(row, now)
    return row is not None and is_indexed(row)
