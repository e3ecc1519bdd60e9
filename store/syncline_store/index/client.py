"""The connection to Qdrant: a server by URL, or qdrant-client's local mode on a loop thread of its own.

A server whose gRPC port is given gets over gRPC what an indexer asks for in bulk (RemotePoints), and everything else over REST.

Local mode computes where it is called: a filtered search over 20,000 points takes a third of a second. On its own thread it
blocks nobody's event loop, and what one call does there is atomic, as nothing in local mode ever suspends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import portalocker
from qdrant_client import AsyncQdrantClient

from syncline_contracts.errors import IndexLocked, IndexUnavailable, SynclineError
from syncline_store.home import LoopThread
from syncline_store.index.errors import QDRANT_ERRORS, translate
from syncline_store.tracing import span

T = TypeVar("T")
PATH = "path:"
MEMORY = ":memory:"
TIMEOUT = 30
"""Seconds that a request to a server may take."""
GRPC_OPTIONS = {"grpc.max_reconnect_backoff_ms": 5_000}
"""By default a channel leaves a server alone for up to two minutes; how long that is, is the circuit's to say."""


class Client:
    """A Qdrant client and, for local mode, the thread that it lives on. Open it with `open`; `aclose` ends both."""

    def __init__(
        self, qdrant: AsyncQdrantClient, where: str, thread: LoopThread | None = None, *, bulk: AsyncQdrantClient | None = None
    ) -> None:
        self._qdrant = qdrant
        self._bulk = bulk
        self._where = where
        self._thread = thread

    @classmethod
    async def open(cls, url: str, api_key: str | None = None, grpc_port: int | None = None) -> "Client":
        """Connect to ``path:FOLDER``, ``:memory:`` or a server's URL. Raises IndexLocked, IndexUnavailable."""
        if url == MEMORY or url.startswith(PATH):
            return await cls._open_local(url)
        server = partial(AsyncQdrantClient, url=url, api_key=api_key, timeout=TIMEOUT, check_compatibility=False)
        if grpc_port is None:
            return cls(server(), url)
        return cls(server(), url, bulk=server(prefer_grpc=True, grpc_port=grpc_port, grpc_options=dict(GRPC_OPTIONS)))

    @classmethod
    async def _open_local(cls, url: str) -> "Client":
        folder = url.removeprefix(PATH)
        thread = LoopThread("syncline-index")

        async def connect() -> AsyncQdrantClient:
            _refuse_locked(folder)
            return AsyncQdrantClient(location=MEMORY) if url == MEMORY else AsyncQdrantClient(path=folder)

        try:
            return cls(await _on(thread, connect), url, thread)
        except IndexLocked:
            await asyncio.to_thread(thread.close)
            raise
        except RuntimeError as error:
            await asyncio.to_thread(thread.close)
            if "already accessed" not in str(error):
                raise
            raise _locked(folder) from None
        except QDRANT_ERRORS as error:
            await asyncio.to_thread(thread.close)
            raise IndexUnavailable(f"cannot open the local index in {folder} ({error}): check the folder's rights and space") from error

    @property
    def local(self) -> bool:
        """Local mode: in this process, on this disk."""
        return self._thread is not None

    async def call(self, ask: Callable[[AsyncQdrantClient], Awaitable[T]], what: str = "other") -> T:
        """Ask the client something, one hop there and back; `what` names it in traces. Qdrant's errors come out translated."""
        with span("syncline.qdrant", request=what):
            return await self._call(ask, self._qdrant)

    @property
    def rest(self) -> bool:
        """Whether what is asked for in bulk goes to a server, and there over REST."""
        return self._bulk is None and not self.local

    async def in_bulk(self, ask: Callable[[AsyncQdrantClient], Awaitable[T]], what: str) -> T:
        """The same, for what is asked for in bulk: over gRPC where the server offers it."""
        with span("syncline.qdrant", request=what):
            return await self._call(ask, self._bulk or self._qdrant)

    async def _call(self, ask: Callable[[AsyncQdrantClient], Awaitable[T]], client: AsyncQdrantClient) -> T:
        try:
            if self._thread is None:
                return await ask(client)
            return await _on(self._thread, lambda: ask(client))
        except SynclineError:
            raise
        except QDRANT_ERRORS as error:
            raise translate(error, self._where) from error

    async def aclose(self) -> None:
        """Let go of the server, or of the folder and the thread. Closing twice does nothing."""
        if self._bulk is not None:
            await self._bulk.close()
        if self._thread is None:
            await self._qdrant.close()
        elif not self._thread.home.loop.is_closed():
            await _on(self._thread, self._qdrant.close)
            await asyncio.to_thread(self._thread.close)


def _refuse_locked(folder: str) -> None:
    """qdrant-client finds out only after it has loaded everything, and leaves the file open."""
    lock = Path(folder) / ".lock"
    if folder == MEMORY or not lock.exists():
        return
    with lock.open("r+") as file:
        try:
            portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
        except portalocker.exceptions.LockException:
            raise _locked(folder) from None
        portalocker.unlock(file)


def _locked(folder: str) -> IndexLocked:
    return IndexLocked(f"another process holds the local index in {folder}: end it, or use a Qdrant server (index=http://HOST:6333)")


async def _on(thread: LoopThread, ask: Callable[[], Awaitable[T]]) -> T:
    """Run it in the thread's loop. Raises IndexUnavailable once that is closed."""

    async def there() -> T:
        return await ask()

    if thread.home.loop.is_closed():
        raise IndexUnavailable("the index is closed")
    return await thread.home.bring(there())
