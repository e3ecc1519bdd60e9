"""The handler into an index by URL: against the same cycle by hand, against bare upserts, and with a real embedding model end to end.

The server is tests/parts/servers/qdrant.py's: unless an address is given, the stand-in over Qdrant's engine, in a process of its own.
All sides take turns, CHUNK documents at a time, so that a machine that is busy for a while slows all of them; a rate is the median of
its turns.
"""

import asyncio
import gc
import logging
import statistics
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.event import ChangeEvent
from syncline_contracts.identity import point_id
from syncline_store.embedding.protocol import Embedder, Vectors
from syncline_store.embedding.wordllama import WordLlamaEmbedder
from syncline_store.engines.protocol import Pos
from syncline_store.index import remote
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.look import Look
from syncline_store.parts import Parts, open_parts
from syncline_store.settings import store_settings
from syncline_store.store import Store
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.handler.verdict import Done
from tests.benchmarks import handler_raw as raw
from tests.benchmarks.corpus import values
from tests.benchmarks.figure import Figure
from tests.benchmarks.pipeline import raw_embedding
from tests.parts.embedders import NullEmbedder
from tests.parts.servers.qdrant import qdrant_server

CHUNK, CHUNKS, ROUNDS = 1_024, 4, 2
TAKES = 0.002
"""Seconds that a small model takes for a text."""
Values = Sequence[dict[str, Any]]


class Ours:
    """A store in a file, an empty collection, and the handler between them."""

    def __init__(self, parts: Parts, store: Store, collection: str, handler: Handler) -> None:
        self.parts = parts
        self.store = store
        self.collection = collection
        self._handler = handler
        self._after = Pos(0)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, embedder: Embedder) -> AsyncIterator["Ours"]:
        name = f"bench-{uuid.uuid4().hex[:8]}"
        with tempfile.TemporaryDirectory() as folder:
            settings = store_settings(store=f"sqlite:///{Path(folder) / 'documents.db'}", index=url, collection=name, indexing="relay")
            parts = await open_parts(settings, embedder=embedder)
            async with Store(parts) as store:
                index = await parts.index()
                handler = Handler(await parts.indexer(), parts.engine.dead_letters, clock=parts.clock)
                yield cls(parts, store, index.collection, handler)
                await index.drop(index.collection)

    async def put(self, chunk: Values, **more: Any) -> None:
        tenant = self.store.tenant("bench")
        await tenant.put_many((("notes",), f"n{value['number']}", {**value, **more}) for value in chunk)

    async def events(self) -> list[ChangeEvent]:
        """Of what was put since the last call, from the outbox."""
        outbox, found = self.parts.engine.outbox, []
        for shard in range(outbox.shards):
            found += await outbox.read(shard, self._after, Pos(2**62), 1_000_000)
        self._after = max(row.pos for row in found)
        return [row.event for row in sorted(found, key=lambda row: row.pos)]

    async def handle(self, events: Sequence[ChangeEvent]) -> None:
        assert isinstance(await self._handler.handle([Delivery(event, "bench") for event in events]), Done)

    async def follow(self) -> None:
        """From the outbox into the index."""
        await self.handle(await self.events())


class Blind:
    """An index of which nothing is seen beforehand."""

    async def points(self, documents: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Any]]:
        return {document: [] for document in documents}


class SmallModel(NullEmbedder):
    """Takes as long as a small transformer may on a CPU: TAKES a text, one batch after the other."""

    def __init__(self, dimensions: int) -> None:
        super().__init__(dimensions)
        self._one = asyncio.Lock()

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        async with self._one:
            await asyncio.sleep(TAKES * len(texts))
        return await super().embed_documents(texts)


def without_guards() -> AbstractContextManager[Any]:
    return patch.object(remote, "as_filter", lambda _: None)


def without_lookup() -> AbstractContextManager[Any]:
    cases = Look.cases
    blind: Any = Blind()
    return patch.object(Look, "cases", lambda look, *given: cases(replace(look, index=blind), *given))


class Times:
    """Seconds of wall and of this process's CPU, by side."""

    def __init__(self) -> None:
        self._wall: dict[str, list[float]] = defaultdict(list)
        self._cpu: dict[str, list[float]] = defaultdict(list)

    async def take(self, side: str, work: Callable[[], Awaitable[None]], how: AbstractContextManager[Any] | None = None) -> None:
        with how or nullcontext():
            wall, cpu = time.perf_counter(), time.process_time()
            await work()
            self._wall[side].append(time.perf_counter() - wall)
            self._cpu[side].append(time.process_time() - cpu)

    def rate(self, side: str) -> float:
        """Documents a second."""
        return CHUNK / statistics.median(self._wall[side])

    def cpu(self, side: str) -> float:
        """Microseconds a document, of this process: the server's are not among them."""
        return statistics.median(self._cpu[side]) / CHUNK * 1e6


async def points_of(client: AsyncQdrantClient, ours: Ours, events: Sequence[ChangeEvent]) -> list[models.PointStruct]:
    ids = [point_id(event.ref.document, 0) for event in events]
    records = await client.retrieve(ours.collection, ids, with_vectors=True)
    return [models.PointStruct(id=record.id, vector=record.vector or {}, payload=record.payload) for record in records]


async def play(url: str, client: AsyncQdrantClient, model: Embedder, embed: Any, times: Times) -> None:
    """One round: every side from an empty collection."""
    async with AsyncExitStack() as stack:
        null = NullEmbedder(raw.DIMENSIONS)
        plain, unguarded, blind = [await stack.enter_async_context(Ours.open(url, null)) for _ in range(3)]
        small = await stack.enter_async_context(Ours.open(url, SmallModel(raw.DIMENSIONS)))
        real, whole = [await stack.enter_async_context(Ours.open(url, model)) for _ in range(2)]
        cycle, bare, pipelined = [await stack.enter_async_context(raw.empty(client)) for _ in range(3)]
        gc.collect()
        gc.freeze()  # as the worker does, for all sides
        everything = values(CHUNK * CHUNKS)
        for first in range(0, len(everything), CHUNK):
            chunk = everything[first : first + CHUNK]
            await plain.put(chunk)
            events = await plain.events()
            await times.take("handler", lambda plain=plain, events=events: plain.handle(events))  # type: ignore[misc]  # mypy does not infer a default's type in a lambda
            points, refs = await points_of(client, plain, events), [event.ref for event in events]
            await times.take("cycle", lambda refs=refs: raw.by_hand(client, cycle, plain.parts, refs))  # type: ignore[misc]  # as above
            await times.take("bare", lambda points=points: raw.bare(client, bare, points))  # type: ignore[misc]  # as above
            for side, name, how in ((unguarded, "unguarded", without_guards()), (blind, "blind", without_lookup())):
                await side.put(chunk)
                events = await side.events()
                await times.take(name, lambda side=side, events=events: side.handle(events), how)  # type: ignore[misc]  # as above
            for side, name in (
                (plain, "same text"),
                (small, "small"),
                (small, "small, same text"),
                (real, "model"),
                (real, "model, same text"),
            ):
                await side.put(chunk, **({"stars": 5} if "same" in name else {}))
                events = await side.events()
                await times.take(name, lambda side=side, events=events: side.handle(events))  # type: ignore[misc]  # as above
            await whole.put(chunk)
            await times.take("whole", whole.follow)
            texts = list(zip(points, [value["text"] for value in chunk], strict=True))
            await times.take("pipelined", lambda texts=texts: raw.embedded(client, pipelined, texts, embed))  # type: ignore[misc]  # as above


async def bench() -> list[Figure]:
    times, model = Times(), WordLlamaEmbedder(raw.DIMENSIONS)
    await model.embed_documents(["warm"])
    embed = raw_embedding()
    logging.getLogger("httpx").setLevel(logging.WARNING)  # wordllama has turned on what each request says
    with qdrant_server() as server:
        client = AsyncQdrantClient(server.url, check_compatibility=False, timeout=60)
        for _ in range(ROUNDS):
            await play(server.url, client, model, embed, times)
        await client.close()
    rate = times.rate

    def against(name: str, ours: str, theirs: str, goal: float | None = None) -> Figure:
        return Figure(name, rate(ours), rate(theirs), "docs/s", goal=goal)

    return [
        against("handler, null embedder, by URL, against the cycle by hand", "handler", "cycle", 0.8),
        Figure("CPU of the client a document: the same two", times.cpu("handler"), times.cpu("cycle"), "us", better="lower"),
        against("handler against bare unguarded upserts", "handler", "bare", 0.5),
        against("what guards cost: handler against itself without them", "handler", "unguarded"),
        against("what the look at heads costs: the same without it", "handler", "blind"),
        against("updates of the same text, null embedder, against embedding", "same text", "handler", 2.0),
        against("updates of the same text, WordLlama, against embedding", "model, same text", "model", 2.0),
        against("updates of the same text, 2 ms a text, against embedding", "small, same text", "small", 2.0),
        against("outbox into index, WordLlama, against embed + upsert", "whole", "pipelined", 0.7),
    ]


if __name__ == "__main__":
    for figure in asyncio.run(bench()):
        print(figure)
