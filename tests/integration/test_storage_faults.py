"""A row of docs/faults.md: the CQL server stands still while a batch is under way. Handler, indexer and relay are the worker's own."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from syncline_contracts.errors import StorageUnavailable
from syncline_contracts.identity import SEGMENTS
from syncline_contracts.revision import Clock
from syncline_store.embedding.protocol import Vectors
from syncline_store.index.index import Index
from syncline_store.index.scan import MARKS
from syncline_store.indexing.delivery import Delivery
from syncline_store.parts import Parts, open_parts
from syncline_store.settings import store_settings
from syncline_store.store import Store
from syncline_store.testing import WordEmbedder
from syncline_sync_worker.handler import Handler, HandlerSettings, Pause, Undecodable, Verdict
from syncline_sync_worker.relay import Relay, RelaySettings
from syncline_sync_worker.transport import DirectPublisher
from tests.integration.cql import Opening, keyspace, opening, until
from tests.parts.servers import cql
from tests.parts.servers.process import freeze

__all__ = ["keyspace", "opening"]

NOTES = ("notes",)
DOCUMENTS = 60
IMPATIENT = HandlerSettings(first_retry=0.05, longest_retry=0.2, retry_for=0.5, open_for=0.3)
QUICK = RelaySettings(hot_interval=0.02, idle_interval=0.05, first_backoff=0.1, longest_backoff=0.5, long_overlap=10.0, long_every=1.0)


class Stages:
    """Freezes the server when the handler first gets to the stage."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self.frozen = False

    def reached(self, stage: str) -> None:
        process = cql.server().process
        if stage == self._stage and not self.frozen and process is not None:
            self.frozen = True
            freeze(process.pid)


class Embedder(WordEmbedder):
    """The rows are read, the points are not written yet."""

    def __init__(self, stages: Stages) -> None:
        super().__init__()
        self._stages = stages

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self._stages.reached("embedding")
        return await super().embed_documents(texts)


class Watched:
    """The handler, with its pauses written down."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.pauses: list[Exception] = []

    async def handle(self, deliveries: Sequence[Delivery | Undecodable]) -> Verdict:
        verdict = await self._handler.handle(deliveries)
        if isinstance(verdict, Pause):
            self.pauses.append(verdict.reason)
        return verdict


@pytest.mark.parametrize("stage", ["points read", "embedding", "points written"])
async def test_a_storage_that_stands_still_in_mid_batch_loses_and_buries_nothing(
    opening: Opening, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = cql.server().process
    if server is None:
        pytest.skip("only a server of our own may be frozen")
    clock, stages = Clock(), Stages(stage)
    engine = await opening(clock=clock, request_timeout=1)
    settings = store_settings(index=":memory:", indexing="relay")
    parts = await open_parts(settings, embedder=Embedder(stages), engine=engine, clock=clock)
    index = await parts.index()
    after(monkeypatch, index, "points", lambda: stages.reached("points read"))
    after(monkeypatch, index, "upsert", lambda: stages.reached("points written"))
    expected = await written(Store(parts))
    async with running(parts) as handler:
        try:
            await until(lambda: asyncio.sleep(0, stages.frozen and bool(handler.pauses)))
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert all(isinstance(reason, StorageUnavailable) for reason in handler.pauses)

        async def in_step() -> bool:
            return await living(index) == expected

        await until(in_step)
    assert (await engine.dead_letters.scan(None, 10)).items == []


async def written(store: Store) -> dict[str, int]:
    """What the index must hold, with its revisions."""
    notes = store.tenant("acme")
    made = await asyncio.gather(*(notes.put(NOTES, f"n{n}", {"text": f"the cat number {n}"}) for n in range(DOCUMENTS)))
    for number in range(0, DOCUMENTS, 10):
        await notes.delete(NOTES, f"n{number}")
    await notes.get(NOTES, "n1")  # or its statement would be prepared by a server that stands still, for which the driver waits 10 s
    return {f"n{number}": revision for number, revision in enumerate(made) if number % 10}


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[Watched]:
    """Relay and handler, until the end of the block."""
    stop, handler = asyncio.Event(), Handler(await parts.indexer(), parts.engine.dead_letters, clock=parts.clock, settings=IMPATIENT)
    watched: Any = Watched(handler)
    publisher = DirectPublisher(watched, probe_after=0.2, patience=2.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(Relay(parts.engine, publisher, clock=parts.clock, settings=QUICK).run(stop))
        try:
            yield watched
        finally:
            stop.set()


def after(monkeypatch: pytest.MonkeyPatch, index: Index, name: str, call: Any) -> None:
    """Call this whenever the index has answered."""
    real = getattr(index, name)

    async def answered(*arguments: Any) -> Any:
        found = await real(*arguments)
        call()
        return found

    monkeypatch.setattr(index, name, answered)


async def living(index: Index) -> dict[str, int]:
    found: dict[str, int] = {}
    async for block in index.scan(0, SEGMENTS - 1):
        for ref, mark, revision in zip(block.refs, block.marks, block.revisions.tolist(), strict=True):
            if ref is not None and MARKS[mark] == "live":
                found[ref.key] = revision
    return found
