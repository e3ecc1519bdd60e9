# ruff: noqa: A002 - `filter` is the word of the public face
"""The store for scripts: the same calls, each of which returns when it is done.

    from syncline_store.sync import open_store

    with open_store("sqlite:///notes.db", index="path:./index") as store:
        acme = store.tenant("acme")
        acme.put(("notes",), "n1", {"text": "..."})
        hits = acme.search(("notes",), query="...")

The store lives in an event loop of its own, in a thread of its own; any thread may call. In async code open the other one.
"""

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from syncline_contracts.errors import SynclineError
from syncline_contracts.revision import Clock
from syncline_store.document import Document
from syncline_store.drafts import Prefix, Put
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import Engine
from syncline_store.health import Health
from syncline_store.home import Home, LoopThread
from syncline_store.metrics import StoreMetrics
from syncline_store.settings import StoreSettings
from syncline_store.store import Opening, Store
from syncline_store.store import open_store as open_async
from syncline_store.tenant import Filter, TenantView

P = ParamSpec("P")
R = TypeVar("R")
PAGE = 500
"""Items that a listing or an export brings over at a time."""
CHUNK = 1_024
"""Items of a put_many that are brought over at a time."""


def _blocking(method: Callable[Concatenate[TenantView, P], Coroutine[Any, Any, R]]) -> Callable[Concatenate["SyncTenantView", P], R]:
    """The method's twin that waits for its end."""

    @functools.wraps(method)
    def twin(self: "SyncTenantView", /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.home.wait(method(self.view, *args, **kwargs))

    return twin


class SyncTenantView:
    """A tenant's documents, as `TenantView` has them: same arguments, same results, same errors. Made by `SyncStore.tenant`."""

    def __init__(self, view: TenantView, home: Home) -> None:
        self.view = view
        self.home = home

    @property
    def tenant(self) -> str:
        """Whose documents these are."""
        return self.view.tenant

    put = _blocking(TenantView.put)
    delete = _blocking(TenantView.delete)
    refresh = _blocking(TenantView.refresh)
    put_if_absent = _blocking(TenantView.put_if_absent)
    update_if = _blocking(TenantView.update_if)
    update_if_value = _blocking(TenantView.update_if_value)
    delete_if = _blocking(TenantView.delete_if)
    configure = _blocking(TenantView.configure)
    get = _blocking(TenantView.get)
    get_many = _blocking(TenantView.get_many)
    list = _blocking(TenantView.list)
    count = _blocking(TenantView.count)
    list_namespaces = _blocking(TenantView.list_namespaces)
    usage = _blocking(TenantView.usage)
    search = _blocking(TenantView.search)
    wait_until_indexed = _blocking(TenantView.wait_until_indexed)

    def put_many(self, puts: Iterable[Put | tuple[Prefix, str, dict[str, Any]]]) -> Sequence[int | SynclineError]:
        """As `TenantView.put_many`; the iterable is consumed in this thread, some at a time."""
        results: list[int | SynclineError] = []
        remaining = iter(puts)
        while chunk := [*islice(remaining, CHUNK)]:
            results += self.home.wait(self.view.put_many(chunk))
        return results

    def documents(self, prefix: Prefix = (), *, filter: Filter | None = None) -> Iterator[Document]:
        """As `TenantView.documents`: every one, some at a time in memory."""
        return self._pulled(self.view.documents(prefix, filter=filter))

    def export(self, prefix: Prefix = ()) -> Iterator[str]:
        """As `TenantView.export`, some lines at a time in memory."""
        return self._pulled(self.view.export(prefix))

    def _pulled(self, items: AsyncIterator[R]) -> Iterator[R]:
        try:
            while some := self.home.wait(_next_of(items)):
                yield from some
        finally:
            if isinstance(items, AsyncGenerator):
                self.home.wait(items.aclose())


class SyncStore:
    """An open store. Close it with `close`, or use it as a context; one that is never closed has stored all that returned."""

    def __init__(self, store: Store, thread: LoopThread) -> None:
        self.store = store
        self.home = thread.home
        self._thread = thread

    def tenant(self, tenant: str) -> SyncTenantView:
        """As `Store.tenant`."""
        return SyncTenantView(self.store.tenant(tenant), self.home)

    def catch_up(self) -> int:
        """As `Store.catch_up`."""
        return self.home.wait(self.store.catch_up())

    def sweep(self) -> int:
        """As `Store.sweep`."""
        return self.home.wait(self.store.sweep())

    def health(self, *, within: float = 5.0) -> Health:
        """As `Store.health`."""
        return self.home.wait(self.store.health(within=within))

    def metrics(self) -> StoreMetrics:
        """As `Store.metrics`."""
        return self.store.metrics()

    def close(self) -> None:
        """Finish what was written, then let go of files, connections and the thread. Closing twice does nothing."""
        if not self.home.loop.is_closed():
            try:
                self.home.wait(self.store.aclose())
            finally:
                self._thread.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_store(
    store: str | StoreSettings | None = None,
    *,
    embedder: str | Embedder | None = None,
    engine: Engine | None = None,
    clock: Clock | None = None,
    **settings: Any,
) -> SyncStore:
    """As `syncline_store.open_store`, open when it returns. Raises what that does."""
    opening = open_async(store, embedder=embedder, engine=engine, clock=clock, **settings)
    thread = LoopThread("syncline-store")
    try:
        return SyncStore(thread.home.wait(_opened(opening)), thread)
    except BaseException:
        thread.close()
        raise


async def _opened(opening: Opening) -> Store:
    return await opening


async def _next_of(items: AsyncIterator[R]) -> list[R]:
    """The next ones; an empty list at the end."""
    some: list[R] = []
    while len(some) < PAGE:
        try:
            some.append(await anext(items))
        except StopAsyncIteration:
            break
    return some
