"""LangGraph's face on each kind of store, for its suites."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from syncline_contracts.revision import Clock
from syncline_store.langgraph import AsyncSynclineStore, SynclineIndexConfig, SynclineStore
from syncline_store.testing import WordEmbedder
from tests.parts.clock import ManualClock
from tests.parts.servers import cql

Face = AsyncSynclineStore | SynclineStore
DIMENSIONS = 512
INDEX: SynclineIndexConfig = {"dims": DIMENSIONS, "embed": "", "model": "testing/words"}
"""Without its `embed`: a new one for each store, so that it counts its own calls."""


class WordEmbeddings(Embeddings):
    """`WordEmbedder` as LangChain knows embeddings; remembers what it was asked."""

    def __init__(self) -> None:
        self._words = WordEmbedder(DIMENSIONS)
        self.queries: list[str] = []
        self.documents: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        self.documents += texts
        vectors: list[list[float]] = (await self._words.embed_documents(texts)).tolist()
        return vectors

    async def aembed_query(self, text: str) -> list[float]:
        self.queries.append(text)
        vector: list[float] = (await self._words.embed_query(text)).tolist()
        return vector

    async def likeness(self, one: str, other: str) -> float:
        """The cosine of two texts' vectors."""
        first, second = await self._words.embed_documents([one, other])
        return float(np.dot(first, second))


def indexing(embeddings: Embeddings | None = None, fields: Sequence[str] | None = None) -> SynclineIndexConfig:
    return {**INDEX, "embed": embeddings or WordEmbeddings(), "fields": None if fields is None else [*fields]}


async def _open_async(stack: AsyncExitStack, url: str, **given: Any) -> Face:
    return await stack.enter_async_context(AsyncSynclineStore.from_conn_string(url, **given))


async def _in_memory(stack: AsyncExitStack, folder: Path, **given: Any) -> Face:
    return await _open_async(stack, "sqlite:///:memory:", **given)


async def _in_a_file(stack: AsyncExitStack, folder: Path, **given: Any) -> Face:
    return await _open_async(stack, f"sqlite:///{folder / 'memory.db'}", **given)


async def _for_threads(stack: AsyncExitStack, folder: Path, **given: Any) -> Face:
    return stack.enter_context(SynclineStore.from_conn_string(":memory:", **given))


async def _on_cql(stack: AsyncExitStack, folder: Path, **given: Any) -> Face:
    clock = given.pop("clock", None) or Clock()
    return await _open_async(stack, "sqlite:///:memory:", engine=await cql.open_engine(folder, clock), clock=clock, **given)


FACES: dict[str, Callable[..., Awaitable[Face]]] = {
    "in memory": _in_memory,
    "in a file": _in_a_file,
    "for threads": _for_threads,
    "on cql": _on_cql,
}


@asynccontextmanager
async def open_face(kind: str, folder: Path, **given: Any) -> AsyncIterator[Face]:
    async with AsyncExitStack() as stack:
        face = await FACES[kind](stack, folder, **given)
        yield face


def at(now: ManualClock) -> Clock:
    return Clock(now=now)
