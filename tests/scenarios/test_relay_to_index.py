"""The whole way, all of it real but the embedder's mood: put, outbox, relay, handler, index; outages, poison and replays."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from syncline_contracts.dead_letter import Closed, DeadLetter
from syncline_contracts.errors import DocumentRefused, EmbedderUnavailable, TransportUnavailable
from syncline_store import Store, open_store
from syncline_store.embedding.protocol import Vectors
from syncline_store.testing import WordEmbedder, open_test_store
from syncline_sync_worker.dead_letters.replay import DeadLetterDesk
from syncline_sync_worker.handler import Handler, HandlerSettings
from syncline_sync_worker.relay import Relay, RelaySettings
from syncline_sync_worker.transport import DirectPublisher
from tests.parts.world import a_collection

NOTES = ("notes",)
QUICK = HandlerSettings(first_retry=0.001, longest_retry=0.005, retry_for=0.05, open_for=0.02)
RELAY = RelaySettings(hot_interval=0.005, idle_interval=0.02, first_backoff=0.005, longest_backoff=0.02)
DEADLINE = 10.0


class MoodyEmbedder(WordEmbedder):
    """Is out as long as `down`; refuses texts with a word that it cannot stand."""

    def __init__(self) -> None:
        super().__init__(32)
        self.down = False
        self.failures = 0
        self.hates = ""

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if self.down:
            self.failures += 1
            raise EmbedderUnavailable("no route to host")
        if self.hates and any(self.hates in text for text in texts):
            raise DocumentRefused(f"nobody embeds {self.hates!r}")
        return await super().embed_documents(texts)


@pytest.fixture
def embedder() -> MoodyEmbedder:
    return MoodyEmbedder()


@pytest.fixture(params=["all in memory", "file and server"])
async def store(request: pytest.FixtureRequest, embedder: MoodyEmbedder, tmp_path: Path) -> AsyncIterator[Store]:
    """The second is opened as an app opens it, and indexed by relay and handler because its index is a URL."""
    if request.param == "all in memory":
        async with open_test_store(embedder=embedder, indexing="relay") as store:
            yield store
        return
    file, server = f"sqlite:///{tmp_path}/documents.db", request.getfixturevalue("qdrant")
    async with a_collection(server.url) as at_server, open_store(file, embedder=embedder, **at_server) as store:
        yield store


async def make(store: Store) -> Relay:
    handler = Handler(await store.parts.indexer(), store.parts.engine.dead_letters, clock=store.parts.clock, settings=QUICK)
    publisher = DirectPublisher(handler, probe_after=0.005, patience=0.05)
    return Relay(store.parts.engine, publisher, clock=store.parts.clock, settings=RELAY)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
        group.create_task(relay.run(stop))
        yield
        stop.set()


async def letters(store: Store) -> Sequence[DeadLetter]:
    return (await store.parts.engine.dead_letters.scan(None, 100)).items


async def found(store: Store, word: str) -> set[str]:
    return {hit.key for hit in await store.tenant("acme").search(NOTES, query=word, limit=3, threshold=0.4)}


async def test_what_is_put_is_found_what_is_deleted_is_not(store: Store) -> None:
    acme = store.tenant("acme")
    async with running(await make(store)):
        revision = await acme.put(NOTES, "n1", {"text": "apples"})
        await acme.wait_until_indexed((NOTES, "n1"), revision, timeout=DEADLINE)
        assert await found(store, "apples") == {"n1"}
        revision = await acme.delete(NOTES, "n1")
        await acme.wait_until_indexed((NOTES, "n1"), revision, timeout=DEADLINE)
        assert await found(store, "apples") == set()


async def test_an_outage_longer_than_all_retries_leaves_no_dead_letter_and_loses_nothing(store: Store, embedder: MoodyEmbedder) -> None:
    acme = store.tenant("acme")
    embedder.down = True
    revisions = {key: await acme.put(NOTES, key, {"text": f"apples {key}"}) for key in "abc"}
    async with running(await make(store)):
        async with asyncio.timeout(DEADLINE):
            while embedder.failures < 60:  # noqa: ASYNC110 - retries, probes and the relay's own patience are all used up, several times
                await asyncio.sleep(0.01)
        assert await letters(store) == []
        embedder.down = False
        for key, revision in revisions.items():
            await acme.wait_until_indexed((NOTES, key), revision, timeout=DEADLINE)
    assert await letters(store) == []
    assert await found(store, "apples") == {"a", "b", "c"}


async def test_a_drain_in_an_outage_says_so_and_the_next_one_does_it_all(store: Store, embedder: MoodyEmbedder) -> None:
    await store.tenant("acme").put(NOTES, "n1", {"text": "apples"})
    relay = await make(store)
    embedder.down = True
    with pytest.raises(TransportUnavailable, match="no route to host"):
        await relay.drain()
    embedder.down = False
    assert await relay.drain() == 1
    assert await found(store, "apples") == {"n1"}
    assert await letters(store) == []


async def test_one_poison_document_becomes_a_letter_its_mates_are_indexed_and_the_replay_resolves_it(
    store: Store, embedder: MoodyEmbedder
) -> None:
    acme, relay, desk = store.tenant("acme"), await make(store), DeadLetterDesk(store.parts.engine)
    embedder.hates = "poison"
    for number in range(20):
        await acme.put(NOTES, f"n{number}", {"text": "poison" if number == 7 else f"apples {number}"})
    await relay.drain()
    (letter,) = await letters(store)
    assert letter.key == "n7"
    assert await store.parts.engine.dead_letters.get(letter.id) == letter
    await desk.replay([letter.id])
    await relay.drain()
    (again,) = await letters(store)
    assert again.id == letter.id
    assert again.attempts > letter.attempts
    embedder.hates = ""
    await desk.replay_all()
    await relay.drain()
    assert await letters(store) == []
    closed = await desk.show(letter.id)
    assert closed is not None
    assert closed.closed is Closed.RESOLVED
    assert await found(store, "poison") == {"n7"}


async def test_the_replay_of_a_document_that_was_deleted_since_resolves_its_letter(store: Store, embedder: MoodyEmbedder) -> None:
    acme, relay = store.tenant("acme"), await make(store)
    embedder.hates = "poison"
    await acme.put(NOTES, "n1", {"text": "poison"})
    await relay.drain()
    assert len(await letters(store)) == 1
    await acme.delete(NOTES, "n1")
    await DeadLetterDesk(store.parts.engine).replay_all()
    await relay.drain()
    assert await letters(store) == []
