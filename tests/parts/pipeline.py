"""The whole way in one process: store on SQLite -> relay -> a real Kafka -> consumer -> handler -> Qdrant's local mode."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.index.points import PointState
from syncline_store.parts import Parts, open_parts
from syncline_store.settings import IndexingSettings, store_settings
from syncline_store.store import Store
from syncline_store.testing import WordEmbedder
from syncline_sync_worker.dead_letters.kafka import EngineWithTopic
from syncline_sync_worker.handler import Handler, HandlerSettings
from syncline_sync_worker.relay import Relay, RelaySettings
from syncline_sync_worker.transport.kafka import KafkaSettings
from syncline_sync_worker.transport.kafka.consumer import KafkaConsumer
from syncline_sync_worker.transport.kafka.publisher import KafkaPublisher

DEADLINE = 90.0
NOTES = ("notes",)
QUICK_RELAY = RelaySettings(
    hot_interval=0.02, idle_interval=0.05, first_backoff=0.05, longest_backoff=0.5, lease_life=3.0, checkpoint_every=0.5
)
QUICK_HANDLER = HandlerSettings(first_retry=0.01, longest_retry=0.1, retry_for=0.5, open_for=0.1)


class Pipeline:
    """`expected` is what the index must hold in the end: the revision of each document, negative for one that was deleted."""

    def __init__(self, parts: Parts, kafka: KafkaSettings) -> None:
        self.parts = parts
        self.kafka = kafka
        self.store = Store(parts)
        self.notes = self.store.tenant("acme")
        self.expected: dict[Ref, int] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, kafka: KafkaSettings, *, embedder: Embedder | None = None) -> AsyncIterator[Self]:
        clock = Clock()
        engine = EngineWithTopic(await open_sqlite(str(folder / "documents.db"), clock=clock, shards=2), kafka)
        settings = store_settings(index=":memory:", indexing="relay", indexing_settings=IndexingSettings(attempts=1))
        parts = await open_parts(settings, embedder=embedder or WordEmbedder(), engine=engine, clock=clock)
        pipeline = cls(parts, kafka)
        async with pipeline.store:
            yield pipeline

    @asynccontextmanager
    async def running(self, *, workers: int = 1) -> AsyncIterator[list[KafkaConsumer]]:
        """Relay and workers, until the end of the block."""
        publisher, stop = KafkaPublisher(self.kafka), asyncio.Event()
        relay = Relay(self.parts.engine, publisher, clock=self.parts.clock, settings=QUICK_RELAY)
        consumers = [await self.worker() for _ in range(workers)]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(relay.run(stop))
                for consumer in consumers:
                    group.create_task(consumer.run(stop))
                try:
                    yield consumers
                finally:
                    stop.set()
        finally:
            await publisher.aclose()

    async def worker(self) -> KafkaConsumer:
        """Another one of the group, to be run by the test."""
        handler = Handler(await self.parts.indexer(), self.parts.engine.dead_letters, clock=self.parts.clock, settings=QUICK_HANDLER)
        return KafkaConsumer(handler, self.kafka)

    async def put(self, key: str, text: str) -> None:
        revision = await self.notes.put(NOTES, key, {"text": text})
        self.expected[Ref("acme", NOTES, key)] = revision

    async def delete(self, key: str) -> None:
        self.expected[Ref("acme", NOTES, key)] = -await self.notes.delete(NOTES, key)

    async def in_step(self, seconds: float = DEADLINE) -> None:
        """Returns once the index holds what is expected; fails with what it lacks."""
        lacking: list[Ref] = []
        try:
            async with asyncio.timeout(seconds):
                while lacking := await self._lacking():  # noqa: ASYNC110 - an index tells nobody
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{len(lacking)} of {len(self.expected)} documents are not in step, such as {lacking[:3]}") from None

    async def indexed(self) -> int:
        """How many documents are in step."""
        return len(self.expected) - len(await self._lacking())

    async def letters(self) -> list[DeadLetter]:
        """The open ones."""
        return list((await self.parts.engine.dead_letters.scan(None, 100)).items)

    async def _lacking(self) -> list[Ref]:
        index = await self.parts.index()
        points = await index.points([ref.document for ref in self.expected])
        return [ref for ref, revision in self.expected.items() if not _holds(points[ref.document], revision)]


def _holds(points: list[PointState], revision: int) -> bool:
    head = next((point for point in points if point.passage == 0), None)
    return head is not None and head.revision == abs(revision) and head.live == (revision > 0)
