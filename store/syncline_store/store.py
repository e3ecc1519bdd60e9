"""The store: what an app opens, and closes at the end.

    async with open_store("sqlite:///notes.db", index="path:./index") as store:
        acme = store.tenant("acme")
        revision = await acme.put(("users", "u1", "notes"), "n1", {"text": "...", "kind": "note"})
        hits = await acme.search(("users", "u1"), query="...", filter={"kind": "note"}, limit=5)

Scripts that are not async have the same calls in `syncline_store.sync`.
"""

from collections.abc import Generator
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from syncline_contracts.errors import InvalidDocument
from syncline_contracts.identity import SYSTEM_TENANT
from syncline_contracts.revision import Clock
from syncline_store.conditional_writing import ConditionalWriter
from syncline_store.directory import Directory
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import Engine
from syncline_store.health import Health, look
from syncline_store.inline import InlineIndexing
from syncline_store.limits import checked_tenant
from syncline_store.metrics import Operations, StoreMetrics
from syncline_store.parts import Parts, as_settings, open_parts
from syncline_store.quotas import Quotas
from syncline_store.rates import Rates
from syncline_store.settings import RateSettings, StoreSettings
from syncline_store.tenant import TenantView
from syncline_store.tenant_writing import TenantWriting
from syncline_store.turns import Turns
from syncline_store.writing import Writer

if TYPE_CHECKING:
    from syncline_store.search.search import Search


class Store:
    """An open store. Take a tenant's view with `tenant`; close it with `aclose`, or use it as a context."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self.parts = parts
        self._directory = Directory(parts.engine.namespaces)
        self._writer = writer = Writer(parts.engine, self._directory, parts.clock, settings)
        self._inline = InlineIndexing(parts) if settings.inline else None
        self._search: Search | None = None
        conditional = ConditionalWriter(parts.engine.documents, writer, parts.clock, settings.write_deadline)
        self._quotas = Quotas(parts)
        self._writing = TenantWriting(writer, conditional, self._inline, Rates(settings.rates), self._quotas)
        self._turns = Turns("searches", "searches_at_once", settings.searches_at_once, settings.search_deadline)
        self._operations = Operations()
        self._closed = False

    def tenant(self, tenant: str) -> TenantView:
        """A view that sees this tenant's documents only. Raises InvalidDocument for what is no tenant's name."""
        if tenant == SYSTEM_TENANT:
            raise InvalidDocument("tenant", f"{SYSTEM_TENANT!r} is Syncline's own: name another")
        return self._view(checked_tenant(tenant, self.parts.settings.limits), self._writing)

    def system(self) -> TenantView:
        """The view of Syncline's own documents, which no tenant sees. For Syncline's processes, not for apps."""
        return self._view(SYSTEM_TENANT, replace(self._writing, rates=Rates(RateSettings())))

    def _view(self, tenant: str, writing: TenantWriting) -> TenantView:
        return TenantView(tenant, self.parts, writing, self._turns, self._operations, self._searching)

    async def catch_up(self) -> int:
        """Index now what inline indexing left behind; how many events there were. 0 where relay and worker index.

        The store does so by itself, when its index is first opened and after failures. Raises Unavailable of each part.
        """
        return 0 if self._inline is None else await self._inline.upkeep.catch_up()

    async def sweep(self) -> int:
        """Remove now what has outlived its grace; how many rows and points there were. 0 where relay and worker do it.

        The store does so by itself, at an interval. Raises Unavailable of each part.
        """
        return 0 if self._inline is None else await self._inline.upkeep.sweep()

    async def health(self, *, within: float = 5.0) -> Health:
        """How storage and index answer, each within so many seconds: ``(await store.health()).status`` is healthy, degraded or unhealthy.

        It asks and changes nothing, but that the index is opened if it was not yet. Raises nothing of theirs.
        """
        return await look(self.parts, within)

    def metrics(self) -> StoreMetrics:
        """How often what was called of any tenant since the store was opened, how it ended and how long it took. Asks nobody."""
        queries = None if self._search is None else self._search.embedder
        return StoreMetrics(
            operations=self._operations.snapshot(),
            searches_under_way=self._turns.under_way,
            searches_waiting=self._turns.waiting,
            query_cache_hits=0 if queries is None else queries.hits,
            query_cache_misses=0 if queries is None else queries.misses,
        )

    async def aclose(self) -> None:
        """Finish what was written, then let go of files and connections. Closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.parts.aclose)
            if self._inline is not None:
                stack.push_async_callback(self._inline.aclose)
            stack.push_async_callback(self._writer.aclose)
            stack.push_async_callback(self._quotas.aclose)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def _searching(self) -> "Search":
        if self._search is None:
            self._search = _build_search(self.parts, self._directory, self._inline)
        return self._search


class Opening:
    """A store about to be opened: ``async with open_store(...) as store``, or ``store = await open_store(...)`` and `aclose`."""

    def __init__(self, settings: StoreSettings, embedder: Embedder | None, engine: Engine | None, clock: Clock | None) -> None:
        self._settings = settings
        self._embedder = embedder
        self._engine = engine
        self._clock = clock
        self._store: Store | None = None

    def __await__(self) -> Generator[Any, None, Store]:
        return self._open().__await__()

    async def __aenter__(self) -> Store:
        self._store = await self._open()
        return self._store

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._store is not None:
            await self._store.aclose()

    async def _open(self) -> Store:
        return Store(await open_parts(self._settings, embedder=self._embedder, engine=self._engine, clock=self._clock))


def open_store(
    store: str | StoreSettings | None = None,
    *,
    embedder: str | Embedder | None = None,
    engine: Engine | None = None,
    clock: Clock | None = None,
    **settings: Any,
) -> Opening:
    """Open a store: its URL and settings as keywords (see StoreSettings), or settings that are made already.

    `embedder` is a name for the settings or an embedder of your own; `engine` and `clock` are for tests, and for storage that the
    settings cannot name. The storage is opened and brought up to date here, the index on first use.

    Raises ConfigurationError that names the setting and the remedy; opening may raise SchemaTooNew, ClockSkew, StorageUnavailable.
    """
    if isinstance(embedder, str):
        return Opening(as_settings(store, embedder=embedder, **settings), None, engine, clock)
    return Opening(as_settings(store, **settings), embedder, engine, clock)


def _build_search(parts: Parts, directory: Directory, inline: InlineIndexing | None) -> "Search":
    from syncline_store.search.repair import ReadRepair  # noqa: PLC0415 - brings qdrant-client, which takes seconds to import
    from syncline_store.search.search import Search  # noqa: PLC0415 - as above

    if not parts.settings.read_repair:
        return Search(parts, directory)
    written = (lambda: None) if inline is None else inline.upkeep.poke
    return Search(parts, directory, ReadRepair(parts.engine.outbox, parts.clock, parts.settings.read_repair, written))
