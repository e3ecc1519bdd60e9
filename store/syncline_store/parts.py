"""The parts of a store, built once: what `open_store` and the worker's composition root share.

The engine is open from the start. The index, and with it the lock on a local one, and the embedding model are opened on first use:
a process that only writes takes no lock and loads no model.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncline_contracts.errors import ClockSkew, ConfigurationError, SchemaMissing, StorageUnavailable
from syncline_contracts.revision import MAX_AHEAD, Clock
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import Engine
from syncline_store.settings import MEMORY, CqlSettings, StoreSettings, store_settings

if TYPE_CHECKING:
    from syncline_store.index.index import Index
    from syncline_store.indexing.every import EveryIndex
    from syncline_store.indexing.indexer import Indexer


class Parts:
    """Engine, clock, embedder, index and indexer of one store. `aclose` closes what was opened here.

    While a model is migrated (the settings name a `next` one) there are two embedders, and two indexes over one connection.
    """

    def __init__(self, settings: StoreSettings, engine: Engine, clock: Clock, embedder: Embedder | None = None) -> None:
        self.settings = settings
        self.engine = engine
        self.clock = clock
        self._embedder = embedder
        self._embedder_is_ours = embedder is None
        self._index: Index | None = None
        self._next_embedder: Embedder | None = None
        self._next_index: Index | None = None
        self._indexer: EveryIndex | None = None
        self._opening = asyncio.Lock()

    @property
    def embedder(self) -> Embedder:
        """The embedding model that the settings name, or the one given."""
        if self._embedder is None:
            self._embedder = _build_embedder(self.settings)
        return self._embedder

    @property
    def next_embedder(self) -> Embedder | None:
        """The model that the settings call the next one."""
        if self._next_embedder is None and self.settings.for_next is not None:
            self._next_embedder = _build_embedder(self.settings.for_next)
        return self._next_embedder

    @property
    def index_is_open(self) -> bool:
        """Whether anything asked for the index yet."""
        return self._index is not None

    async def index(self) -> "Index":
        """The vector index. Raises IndexMismatch, IndexLocked, IndexUnavailable; the next call tries again."""
        async with self._opening:
            if self._index is None:
                self._index = await _open_index(self.settings, self.embedder, await self.engine.identity())
            return self._index

    async def next_index(self) -> "Index | None":
        """The index of the next model, made unless it is there; None without one. Raises what `index` does."""
        index, embedder = await self.index(), self.next_embedder
        if embedder is None:
            return None
        async with self._opening:
            if self._next_index is None:
                following = await index.beside(embedder)
                await following.claim(await self.engine.identity())
                self._next_index = following
            return self._next_index

    async def indexes(self) -> "list[Index]":
        """Every index that this process writes: the one that it searches first. Raises what `index` does."""
        return [index for index in (await self.index(), await self.next_index()) if index is not None]

    async def indexer(self) -> "EveryIndex":
        """What brings documents into every index that this process writes. Raises what `index` does."""
        indexes = await self.indexes()
        if self._indexer is None:
            self._indexer = _build_every(self, indexes)
        return self._indexer

    async def indexer_of_next(self) -> "Indexer | None":
        """What brings documents into the next model's index and no other; None without one. Raises what `index` does."""
        index, embedder = await self.next_index(), self.next_embedder
        return None if index is None or embedder is None else _build_indexer(self, index, embedder, alone=False)

    async def aclose(self) -> None:
        """Let go of the index, then of the embedders unless they were given, then of the storage."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.engine.aclose)
            if self._embedder is not None and self._embedder_is_ours:
                stack.push_async_callback(self._embedder.aclose)
            if self._next_embedder is not None:
                stack.push_async_callback(self._next_embedder.aclose)
            if self._index is not None:
                stack.push_async_callback(self._index.aclose)


async def open_parts(
    settings: StoreSettings, *, embedder: Embedder | None = None, engine: Engine | None = None, clock: Clock | None = None
) -> Parts:
    """Open the storage, bring its schema up to date where the settings say so, and check the clocks.

    An engine that is given is owned from here on, and closed with the parts. Raises ConfigurationError, SchemaMissing, SchemaTooNew,
    ClockSkew, StorageUnavailable.
    """
    clock = clock or Clock()
    engine = engine or await open_engine(settings, clock)
    try:
        await _ensure_schema(engine, settings)
        await check_clock(engine, clock)
    except BaseException:
        await engine.aclose()
        raise
    return Parts(settings, engine, clock, embedder)


async def _ensure_schema(engine: Engine, settings: StoreSettings) -> None:
    if settings.migrates:
        await engine.migrate()
    elif missing := await engine.missing():
        raise SchemaMissing(
            f"{settings.store} lacks {', '.join(missing)}: run `syncline migrate --store {settings.store}` once, with a user that may "
            "make tables (or open it with migrate=True)"
        )


async def check_clock(engine: Engine, clock: Clock) -> None:
    """Pass the newest revision that the storage knows of. Raises ClockSkew where the clocks are more than 5 s apart.

    Writes of a clock that is behind would lose against older ones; one that is ahead would make others lose (architecture,
    section 3).
    """
    before = clock.now()
    theirs = await engine.clock()
    clock.observe(theirs)
    if before > theirs + MAX_AHEAD:
        raise ClockSkew(
            f"this machine's clock is {(before - theirs) / 1e6:.1f} s ahead of the storage's (bound: {MAX_AHEAD / 1e6:.0f} s): "
            "synchronise both (NTP), then try again"
        )


async def open_engine(settings: StoreSettings, clock: Clock) -> Engine:
    """The storage as it is: neither migrated nor looked at. Raises ConfigurationError, SchemaTooNew, StorageUnavailable."""
    if settings.cql_settings is not None:
        return await _open_cql(settings.cql_settings, clock, settings.closed_letters_life)
    from syncline_store.engines.sqlite import open_sqlite  # noqa: PLC0415 - one engine is used, the others need not be installed

    if settings.sqlite_path != MEMORY:
        await asyncio.to_thread(_make_folder, Path(settings.sqlite_path).parent)
    return await open_sqlite(settings.sqlite_path, clock=clock, closed_letters_life=settings.closed_letters_life * 1_000_000)


async def _open_cql(settings: CqlSettings, clock: Clock, closed_letters_life: int) -> Engine:
    try:
        from syncline_store.engines.cql import open_cql  # noqa: PLC0415 - its driver is an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"store: {settings.name} needs the driver: pip install 'syncline-store[cql]'") from error
    return await open_cql(settings, clock=clock, closed_letters_life=closed_letters_life)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(
            f"{folder} cannot be made ({error.strerror}): name another folder in `store`, or make it yourself"
        ) from error


def _build_embedder(settings: StoreSettings) -> Embedder:
    from syncline_store.embedding.build import build_embedder  # noqa: PLC0415 - brings the HTTP client and numpy

    return build_embedder(settings)


async def _open_index(settings: StoreSettings, embedder: Embedder, source: str) -> "Index":
    from syncline_store.index.index import Index  # noqa: PLC0415 - qdrant-client takes seconds to import

    key = settings.index_api_key
    index = await Index.open(
        settings.index,
        collection=settings.collection,
        embedder=embedder,
        api_key=None if key is None else key.get_secret_value(),
        grpc_port=settings.index_grpc_port,
    )
    try:
        await index.claim(source)
    except BaseException:
        await index.aclose()
        raise
    return index


def _build_every(parts: Parts, indexes: "list[Index]") -> "EveryIndex":
    from syncline_store.indexing.every import EveryIndex  # noqa: PLC0415 - comes with the index

    own, *others = indexes
    following = [_build_indexer(parts, other, parts.next_embedder, alone=False) for other in others if parts.next_embedder is not None]
    indexer = _build_indexer(parts, own, parts.embedder, alone=not following)
    return EveryIndex(indexes, indexer, following[0] if following else None, parts.engine.dead_letters)


def _build_indexer(parts: Parts, index: "Index", embedder: Embedder, *, alone: bool) -> "Indexer":
    from syncline_store.indexing.indexer import Indexer  # noqa: PLC0415 - comes with the index

    return Indexer(
        parts.engine,
        index,
        embedder,
        clock=parts.clock,
        settings=parts.settings.indexing_settings,
        tombstone_grace=parts.settings.tombstone_grace_us,
        alone=alone,
    )


def as_settings(store: str | StoreSettings | None, **given: Any) -> StoreSettings:
    """Settings from a URL and keywords, or the settings given. Raises ConfigurationError."""
    if isinstance(store, StoreSettings):
        return store_settings(**{**store.model_dump(), **given}) if given else store
    return store_settings(**({} if store is None else {"store": store}), **given)
