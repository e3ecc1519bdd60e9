"""LangGraph's `BaseStore`, for async code and for threads."""

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from langgraph.store.base import BaseStore, Embeddings, Op, Result, TTLConfig

from syncline_store import sync
from syncline_store.fresh import Unindexed
from syncline_store.home import Home
from syncline_store.langgraph.index import Indexing, SynclineIndexConfig
from syncline_store.langgraph.operations import SECONDS, Operations
from syncline_store.langgraph.sweeper import Sweeper
from syncline_store.settings import MEMORY
from syncline_store.settings.store import SQLITE
from syncline_store.store import Store, open_store

TENANT = "default"
"""Whose documents these are, unless the app says."""
INDEXED_WITHIN = 10.0
"""Seconds that a search waits for what this process wrote, where relay and worker index."""
SWEEP_MINUTES = 5.0
AnyIndex = SynclineIndexConfig | Indexing | None


class _SynclineBase(BaseStore):
    """What both have in common: a tenant's view of an open store, which lives in one loop and may be called from any."""

    supports_ttl = True

    def __init__(self, store: Store, home: Home, *, tenant: str, index: AnyIndex, ttl: TTLConfig | None, within: float) -> None:
        indexing = None if index is None else Indexing.of(index)
        self.store = store
        self.tenant = tenant
        self.index_config: SynclineIndexConfig | None = None if indexing is None else indexing.config
        self.embeddings: Embeddings | None = None if indexing is None else indexing.embeddings
        self.ttl_config = ttl
        self._home = home
        fields = None if indexing is None else indexing.fields
        self._operations = Operations(store.tenant(tenant), fields, Unindexed(store.parts, within))
        self._sweeper = Sweeper(self._sweep)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations and wait: all reads, then all writes. Raises InvalidStateError in the thread of the store's own loop."""
        return self._home.wait(self._operations.batch([*ops]))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations: all reads, then all writes. Raises what `Operations.batch` does."""
        return await self._home.bring(self._operations.batch([*ops]))

    async def _setup(self) -> None:
        await self.store.parts.engine.migrate()
        if self.index_config is not None:
            await self.store.parts.index()

    async def _sweep(self) -> int:
        if self.store.parts.settings.inline:
            return await self.store.sweep()
        return await self.store.parts.engine.expire(self.store.parts.clock.now())

    async def _start(self, minutes: float | None) -> asyncio.Task[None]:
        if not self.ttl_config:
            return asyncio.create_task(asyncio.sleep(0))
        return self._sweeper.start(float(minutes or self.ttl_config.get("sweep_interval_minutes") or SWEEP_MINUTES) * SECONDS)

    async def _end(self) -> None:
        await self._sweeper.aclose()
        await self._operations.aclose()


class AsyncSynclineStore(_SynclineBase):
    """LangGraph's store for async code: `aget`, `aput`, `asearch`... in the loop that it was made in.

    `get`, `put`, `search`... may be called from other threads; in the loop's own they raise `asyncio.InvalidStateError`.
    """

    def __init__(
        self,
        store: Store,
        *,
        tenant: str = TENANT,
        index: AnyIndex = None,
        ttl: TTLConfig | None = None,
        indexed_within: float = INDEXED_WITHIN,
    ) -> None:
        """Over a store that is open in this loop, and is its maker's to close; its embedder counts, and of `index` the fields."""
        super().__init__(store, Home.here(), tenant=tenant, index=index, ttl=ttl, within=indexed_within)

    @classmethod
    @asynccontextmanager
    async def from_conn_string(
        cls,
        conn_string: str,
        *,
        index: SynclineIndexConfig | None = None,
        ttl: TTLConfig | None = None,
        tenant: str = TENANT,
        qdrant: str | None = None,
        indexed_within: float = INDEXED_WITHIN,
        **settings: Any,
    ) -> AsyncIterator["AsyncSynclineStore"]:
        """Open a store of its own: ``sqlite:///memory.db``, ``sqlite:///:memory:`` or ``cql://host/keyspace``.

        `index`: the embedding model and what it is given; without it nothing is embedded. `qdrant`: where the vectors are, as
        `open_store`'s `index` (a URL, ``path:FOLDER``, ``:memory:``); by default beside the SQLite file. `ttl`: minutes, as LangGraph
        has it. `settings`: any of `StoreSettings`. Raises what `open_store` does.
        """
        indexing = None if index is None else Indexing.of(index)
        chosen = _settings(conn_string, indexing, qdrant, settings)
        async with open_store(**chosen) as store:
            face = cls(store, tenant=tenant, index=indexing, ttl=ttl, indexed_within=indexed_within)
            try:
                yield face
            finally:
                await face._end()

    async def setup(self) -> None:
        """Bring the schema up to date and open the index, so that what is configured wrongly is refused now. Any number of times."""
        await self._setup()

    async def sweep_ttl(self) -> int:
        """Remove what has expired; how many rows and points there were. 0 where servers and workers do it by themselves."""
        return await self._sweep()

    async def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> asyncio.Task[None]:
        """Sweep at an interval, by default what the `ttl` configuration says, or five minutes; the task that does."""
        return await self._start(sweep_interval_minutes)

    async def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - a word of LangGraph's face
        """End the sweeping, waiting `timeout` seconds at most; whether it has ended."""
        return await self._sweeper.stop(timeout)


class SynclineStore(_SynclineBase):
    """LangGraph's store for threads, in a loop of its own. The async twins may be awaited in any loop."""

    def __init__(
        self,
        store: sync.SyncStore,
        *,
        tenant: str = TENANT,
        index: AnyIndex = None,
        ttl: TTLConfig | None = None,
        indexed_within: float = INDEXED_WITHIN,
    ) -> None:
        """Over a store that is open, and is its maker's to close; its embedder counts, and of `index` the fields."""
        super().__init__(store.store, store.home, tenant=tenant, index=index, ttl=ttl, within=indexed_within)

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        index: SynclineIndexConfig | None = None,
        ttl: TTLConfig | None = None,
        tenant: str = TENANT,
        qdrant: str | None = None,
        indexed_within: float = INDEXED_WITHIN,
        **settings: Any,
    ) -> Iterator["SynclineStore"]:
        """As `AsyncSynclineStore.from_conn_string`."""
        indexing = None if index is None else Indexing.of(index)
        chosen = _settings(conn_string, indexing, qdrant, settings)
        with sync.open_store(**chosen) as store:
            face = cls(store, tenant=tenant, index=indexing, ttl=ttl, indexed_within=indexed_within)
            try:
                yield face
            finally:
                store.home.wait(face._end())

    def setup(self) -> None:
        """As `AsyncSynclineStore.setup`."""
        self._home.wait(self._setup())

    def sweep_ttl(self) -> int:
        """As `AsyncSynclineStore.sweep_ttl`."""
        return self._home.wait(self._sweep())

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> "concurrent.futures.Future[None]":
        """As `AsyncSynclineStore.start_ttl_sweeper`; the future is done when the sweeping has ended."""
        task = self._home.wait(self._start(sweep_interval_minutes))
        return asyncio.run_coroutine_threadsafe(_ended(task), self._home.loop)

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """As `AsyncSynclineStore.stop_ttl_sweeper`."""
        return self._home.wait(self._sweeper.stop(timeout))


async def _ended(task: "asyncio.Task[None]") -> None:
    await asyncio.wait([task])


def _settings(conn_string: str, indexing: Indexing | None, qdrant: str | None, settings: dict[str, Any]) -> dict[str, Any]:
    """What `open_store` is given. Without an index configuration nobody indexes here: no index is opened, no model loaded."""
    url = conn_string if "://" in conn_string else f"{SQLITE}{conn_string}"
    chosen: dict[str, Any] = {"store": url, **settings}
    if indexing is None:
        return {"indexing": "relay", **chosen}
    place = qdrant or _beside(url)
    if place is not None:
        chosen["index"] = place
    return chosen if indexing.embedder is None else {**chosen, "embedder": indexing.embedder}


def _beside(url: str) -> str | None:
    if not url.startswith(SQLITE):
        return None
    path = url.removeprefix(SQLITE)
    return MEMORY if path == MEMORY else f"path:{path}.index"
