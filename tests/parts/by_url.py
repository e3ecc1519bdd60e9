"""A store on SQLite whose index is a server by URL: put, relay, handler and index, all in this process but the server."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Self
from uuid import uuid4

from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.drift import DriftKind
from syncline_contracts.identity import SEGMENTS, Ref
from syncline_contracts.revision import Clock, now_us
from syncline_store import IndexingSettings, Store, open_store
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import OutboxRow
from syncline_store.index.scan import MARKS
from syncline_store.indexing.passages import Splitter
from syncline_store.testing import WordEmbedder
from syncline_sync_worker.handler import Handler, HandlerSettings
from syncline_sync_worker.reconcile.reconciler import Reconciler
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.relay import Relay, RelaySettings
from syncline_sync_worker.transport import DirectPublisher
from syncline_sync_worker.transport.protocol import Publisher
from tests.parts.world import drop_collection

NOTES = ("notes",)
TENANT = "acme"
INDEXING = IndexingSettings(passage_tokens=16)
QUICK_RELAY = RelaySettings(hot_interval=0.005, idle_interval=0.02, first_backoff=0.005, longest_backoff=0.05)
QUICK_HANDLER = HandlerSettings(first_retry=0.005, longest_retry=0.05, retry_for=2.5, open_for=0.1)
QUICK_RECONCILER = ReconcileSettings(settle=0.0, delay=0.05, few=1_000)
DEADLINE = 60.0
HOUR = 3_600_000_000
Points = dict[tuple[Ref, int], int]
"""(document, passage) -> revision."""


class Twice(Publisher):
    """Two workers get everything, at the same time."""

    def __init__(self, first: Publisher, second: Publisher) -> None:
        self._both = first, second

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        await asyncio.gather(*(each.publish(rows) for each in self._both))

    async def aclose(self) -> None:
        await asyncio.gather(*(each.aclose() for each in self._both))


class ByUrl:
    """`expected`: each document's text, extra fields aside, and revision; None where it was deleted."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.parts = store.parts
        self.notes = store.tenant(TENANT)
        self.expected: dict[str, tuple[str, int] | None] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, url: str, embedder: Embedder | None = None) -> AsyncIterator[Self]:
        collection = f"test-{uuid4().hex}"
        database = f"sqlite:///{folder / (collection + '.db')}"
        embedder = embedder or WordEmbedder(32)
        opening = open_store(database, embedder=embedder, index=url, collection=collection, indexing_settings=INDEXING)
        async with opening as store:
            await store.parts.index()
            yield cls(store)
        await drop_collection(url, collection)

    # ---- writing

    async def put(self, key: str, text: str, **fields: object) -> int:
        revision = await self.notes.put(NOTES, key, {"text": text, **fields})
        self.expected[key] = text, revision
        return revision

    async def delete(self, key: str) -> int:
        revision = await self.notes.delete(NOTES, key)
        self.expected[key] = None
        return revision

    async def write(self, dice: Random, keys: int, first: int = 0) -> None:
        """Any of: a new text, longer or shorter; the same text with another field; a deletion."""
        key = f"n{first + dice.randrange(keys)}"
        before = self.expected.get(key)
        kind = dice.random()
        if before is not None and kind < 0.2:
            await self.delete(key)
        elif before is not None and kind < 0.5:
            await self.put(key, before[0], n=dice.randrange(1_000))
        else:
            await self.put(key, "\n\n".join(f"{dice.choice('abc')} {number} ".ljust(60, "x") for number in range(dice.randint(1, 3))))

    # ---- relay and handler

    async def relay(self, *, twice: bool = False) -> Relay:
        publisher: Publisher = await self._publisher()
        if twice:
            publisher = Twice(publisher, await self._publisher())
        return Relay(self.parts.engine, publisher, clock=self.parts.clock, settings=QUICK_RELAY)

    async def _publisher(self) -> DirectPublisher:
        handler = Handler(await self.parts.indexer(), self.parts.engine.dead_letters, clock=self.parts.clock, settings=QUICK_HANDLER)
        return DirectPublisher(handler, max_batch=32, probe_after=0.01, patience=0.5)

    @asynccontextmanager
    async def running(self, *, twice: bool = False) -> AsyncIterator[None]:
        relay, stop = await self.relay(twice=twice), asyncio.Event()
        async with asyncio.timeout(2 * DEADLINE), asyncio.TaskGroup() as group:
            group.create_task(relay.run(stop))
            yield
            stop.set()

    async def reconciler(self) -> Reconciler:
        return Reconciler(
            self.parts.engine, await self.parts.index(), self.parts.embedder, INDEXING, clock=self.parts.clock, settings=QUICK_RECONCILER
        )

    # ---- what is there

    async def living(self) -> Points:
        """Every point of the index that is no tombstone."""
        index = await self.parts.index()
        found: Points = {}
        async for block in index.scan(0, SEGMENTS - 1):
            for place, ref in enumerate(block.refs):
                assert ref is not None
                if MARKS[block.marks[place]] == "live":
                    found[ref, int(block.passage[place])] = int(block.revisions[place])
        return found

    def wanted(self, poison: Collection[str] = ()) -> Points:
        """Every point that the documents call for, but for those that cannot be indexed."""
        splitter = Splitter(self.parts.embedder, INDEXING.passage_tokens)
        return {
            (Ref(TENANT, NOTES, key), passage): state[1]
            for key, state in self.expected.items()
            if state is not None and key not in poison
            for passage in range(len(splitter.split(state[0])))
        }

    async def in_step(self, poison: Collection[str] = ()) -> None:
        """Returns once the index holds exactly what the documents call for; fails with the difference."""
        wanted, found = self.wanted(poison), await self.living()
        try:
            async with asyncio.timeout(DEADLINE):
                while found != wanted:
                    await asyncio.sleep(0.05)
                    found = await self.living()
        except TimeoutError:
            raise AssertionError(f"not in step: {sorted(map(str, wanted.items() ^ found.items()))[:6]}") from None

    async def judged(self, poison: Collection[str] = ()) -> None:
        """Nothing is lost, nothing has come back, and only poison is in the dead letters: by an own look, and by the reconciler's.

        The reconciler's clock is an hour ahead, so that nothing is too young for it; for what differs, the marks must have passed, too.
        """
        if poison:
            await (await self.relay()).drain(settle=True)
        assert {letter.key for letter in await self.letters()} == set(poison)
        assert await self.living() == self.wanted(poison)
        index, ahead = await self.parts.index(), Clock(now=lambda: now_us() + HOUR)
        reconciler = Reconciler(self.parts.engine, index, self.parts.embedder, INDEXING, clock=ahead, settings=QUICK_RECONCILER)
        report = await reconciler.check(sample=1.0)
        assert (report.refused, report.young, report.documents) == (None, 0, len(self.expected)), report
        assert {(finding.key, finding.kind) for finding in report.findings} == {(key, DriftKind.MISSING) for key in poison}

    async def letters(self) -> list[DeadLetter]:
        """The open ones."""
        return list((await self.parts.engine.dead_letters.scan(None, 100)).items)
