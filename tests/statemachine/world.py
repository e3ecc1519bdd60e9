"""What the state machine moves: a real store, a real index, and a relay that delivers as badly as it can."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from qdrant_client import models

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
from syncline_store.settings import IndexingSettings
from syncline_store.testing import open_test_store
from tests.parts.clock import ManualClock
from tests.parts.outbox import deliveries

TENANT = "acme"
NAMESPACE = ("notes",)
PASSAGE_TOKENS = 16


class CrashError(Exception):
    """The indexer's process died."""


class DyingIndex:
    """The index of an indexer that dies at its n-th request: before the request, or after it took effect."""

    def __init__(self, index: Index, at: int, *, after: bool) -> None:
        self._index = index
        self._left = at
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    async def upsert(self, operations: Sequence[Any]) -> None:
        await self._ask(self._index.upsert(operations))

    async def refresh(self, changes: Sequence[Any]) -> None:
        await self._ask(self._index.refresh(changes))

    async def remove(self, removals: Sequence[Any]) -> None:
        await self._ask(self._index.remove(removals))

    async def _ask(self, request: Any) -> None:
        self._left -= 1
        if self._left < 0 and not self._after:
            request.close()
            raise CrashError
        await request
        if self._left < 0:
            raise CrashError


class World:
    """Everything is in memory, and time stands still unless it is moved."""

    def __init__(self, store: Store, time: ManualClock, index: Index) -> None:
        self.store = store
        self.time = time
        self.clock = store.parts.clock
        self.index = index
        self.view: TenantView = store.tenant(TENANT)
        self.indexer = self.new_indexer(index)

    @classmethod
    async def open(cls) -> Self:
        time = ManualClock()
        indexing = IndexingSettings(passage_tokens=PASSAGE_TOKENS)
        store = await open_test_store(indexing="relay", clock=Clock(now=time), indexing_settings=indexing)
        return cls(store, time, await store.parts.index())

    def new_indexer(self, index: Any) -> Indexer:
        parts = self.store.parts
        settings = parts.settings
        return Indexer(
            parts.engine,
            index,
            parts.embedder,
            clock=self.clock,
            settings=settings.indexing_settings,
            tombstone_grace=settings.tombstone_grace_us,
        )

    async def events(self) -> list[Delivery]:
        return await deliveries(self.store.parts.engine)

    async def dies(self, batch: Sequence[Delivery], at: int, *, after: bool) -> bool:
        """Index with a process that dies at its n-th request; whether it did."""
        try:
            await self.new_indexer(DyingIndex(self.index, at, after=after)).index(batch)
        except CrashError:
            return True
        return False

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
        event = ChangeEvent.of(ref(key), revision, Kind.REPAIR, first_at=min(self.clock.now(), revision), expires_at=expires_at)
        await self.store.parts.engine.outbox.append([event])

    async def sweep(self) -> None:
        now = self.clock.now()
        await self.store.parts.engine.expire(now)
        await self.index.purge(now, self.store.parts.settings.tombstone_grace_us)

    async def row(self, key: str) -> Row | None:
        (row,) = await self.store.parts.engine.documents.read([ref(key)])
        return row

    async def points(self, keys: Sequence[str]) -> dict[str, list[PointState]]:
        found = await self.index.points([ref(key).document for key in keys])
        return {key: found[ref(key).document] for key in keys}

    async def filtered(self, number: int) -> set[str]:
        """Keys of the heads that the index finds by the field `n`, expired ones left out."""
        condition = parse({"n": number})
        assert condition is not None
        live = models.FieldCondition(key="mark", match=models.MatchValue(value="live"))
        page = await self.index.filtered(models.Filter(must=[live, to_qdrant(condition)]), None, 1_000)
        return {found.ref.key for found in page.items if found.state.expires_at > self.clock.now()}

    async def vector_is_the_text_s(self, row: Row, value: dict[str, Any]) -> bool:
        """For a document of one passage."""
        text = text_of(value, ["$"]).strip()
        point = point_id(row.ref.document, 0)
        vectors = await self.index.vectors([point])
        if not text:
            return not vectors
        expected = (await self.store.parts.embedder.embed_documents([text]))[0]
        return bool(abs(vectors[point] - expected).max() < 1e-5)

    async def aclose(self) -> None:
        await self.store.aclose()


def ref(key: str) -> Ref:
    return Ref(TENANT, NAMESPACE, key)


def to_be_found(row: Row | None, now: int) -> bool:
    """Whether the index should hold the document."""
    row = living(row, now)
    return row is not None and is_indexed(row)
