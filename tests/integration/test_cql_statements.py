"""How many requests and statements each step costs the servers. A bound that is broken here is paid for by every document.

A request is what crosses the network once; a batch is one request of several statements.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from syncline_contracts.revision import Clock
from syncline_store.directory import Directory
from syncline_store.document import canonical
from syncline_store.engines.cql import CqlEngine
from syncline_store.engines.cql.dialects import IN_VALUES
from syncline_store.indexing.indexer import Indexer
from syncline_store.settings import IndexingSettings, StoreSettings
from syncline_store.testing import WordEmbedder
from syncline_store.writing import Draft, Writer
from syncline_sync_worker.relay import Relay, RelaySettings
from tests.benchmarks.null_index import NullIndex
from tests.integration.cql import Opening, keyspace, opening
from tests.parts.capturing import CapturingPublisher
from tests.parts.outbox import deliveries
from tests.parts.writes import ref, write

__all__ = ["keyspace", "opening"]

PUT = 3
"""The document's columns, its time of creation (docs/decisions/0008), its outbox row."""
TOGETHER = 16
BUCKETS = 8
DAY = 86_400_000_000


@dataclass
class Counted:
    requests: int = 0
    statements: int = 0
    rows_asked_for: int = 0
    """Reads of whole outbox rows."""


class Counting:
    """Counts what an engine's driver sends."""

    def __init__(self, engine: CqlEngine) -> None:
        self._seen: list[Any] = []
        engine._session._session.add_request_init_listener(lambda response: self._seen.append(response.query))

    @contextmanager
    def over(self) -> Iterator[Counted]:
        """What is sent within the block."""
        before, found = len(self._seen), Counted()
        yield found
        sent = self._seen[before:]
        found.rows_asked_for = sum(_text(each).startswith("SELECT pos, id") for each in sent)
        found.requests, found.statements = len(sent), sum(len(each) if hasattr(each, "batch_type") else 1 for each in sent)


def _text(sent: Any) -> str:
    return getattr(getattr(sent, "prepared_statement", None), "query_string", "")


class World:
    """An engine on a keyspace of its own, and a writer as the store has it, both warm: statements prepared, the namespace known."""

    def __init__(self, engine: CqlEngine, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self.counting = Counting(engine)
        self.writer = Writer(engine, Directory(engine.namespaces), clock, StoreSettings())

    async def put(self, *keys: str) -> None:
        await asyncio.gather(*(self.writer.write(Draft(ref(key), canonical({"text": key}))) for key in keys))


@pytest.fixture
async def world(opening: Opening) -> AsyncIterator[World]:
    clock = Clock()
    world = World(await opening(clock=clock, shards=1), clock)
    await world.put("warm")
    yield world
    await world.writer.aclose()


def new_minutes(world: World) -> int:
    """An entry in the directory of minutes for each that began meanwhile: at most one a shard, in a test that is over within a minute."""
    return world.engine.outbox.shards


# ------------------------------------------------------------------ a put


async def test_a_lone_put_is_one_batch(world: World) -> None:
    with world.counting.over() as counted:
        await world.put("alone")
    assert counted.requests <= 1 + new_minutes(world)
    assert counted.statements <= PUT + new_minutes(world)


async def test_puts_that_come_together_share_batches_of_sixteen(world: World) -> None:
    count = 10 * TOGETHER
    with world.counting.over() as counted:
        await world.put(*(f"n{n}" for n in range(count)))
    assert counted.requests <= count / TOGETHER + new_minutes(world)
    assert counted.statements <= PUT * count + new_minutes(world)


# ------------------------------------------------------------------ reading


async def test_a_read_of_many_is_one_request_a_partition(world: World) -> None:
    refs = [ref(f"n{n}") for n in range(400)]
    await world.engine.documents.write([write(each, 64) for each in refs])
    with world.counting.over() as counted:
        assert all(await world.engine.documents.read(refs))
    assert counted.requests == BUCKETS, "the 400 keys of a namespace are 8 partitions of fewer than 100"


async def test_gets_that_come_together_share_a_read_of_their_partition(world: World) -> None:
    refs = [ref(f"n{n}") for n in range(400)]
    await world.engine.documents.write([write(each, 64) for each in refs])
    with world.counting.over() as counted:
        rows = await asyncio.gather(*(world.engine.documents.read([each]) for each in refs), world.engine.documents.read([refs[0]]))
    assert [row and row.ref for (row,) in rows] == [*refs, refs[0]]
    assert counted.requests == 2 * BUCKETS, "the first of each partition goes out alone, all others together"
    with world.counting.over() as counted:
        await world.engine.documents.read([refs[0]])
    assert counted.requests == 1, "a lone one is read at once"


# ------------------------------------------------------------------ the relay


async def test_an_event_published_costs_a_fraction_of_a_read(world: World) -> None:
    """A page of a thousand is one read, and the sweep behind it reads the same once more; each may find a minute ended in mid-page. The
    rest is the shard's own, however many events there are: its lease (a read, a batch to take it, one to let go), the directory of
    minutes before each of the two, the mark.
    """
    events, page, own = 4_000, 1_000, 6
    await world.engine.documents.write([write(ref(f"n{n}"), 64) for n in range(events)])
    publisher = CapturingPublisher()
    relay = Relay(world.engine, publisher, clock=world.clock, settings=RelaySettings(page=page))
    with world.counting.over() as counted:
        await relay.drain()
    assert len(publisher.published) >= events
    assert counted.requests <= 2 * (events // page + 2) + own * world.engine.outbox.shards
    assert counted.rows_asked_for <= (events // page + 2) + 2, "the sweep asks for places"


# ------------------------------------------------------------------ the handler


async def test_an_event_handled_costs_a_fraction_of_a_read(world: World) -> None:
    """A batch of documents is one read a partition, and one look for dead letters a hundred documents."""
    documents = IndexingSettings().max_batch
    await world.engine.documents.write([write(ref(f"n{n}"), 64) for n in range(documents)])
    embedder = WordEmbedder()
    index: Any = NullIndex(embedder.dimensions)
    indexer = Indexer(world.engine, index, embedder, clock=world.clock, tombstone_grace=DAY)
    batch = [each for each in await deliveries(world.engine) if each.event.key != "warm"]
    assert len(batch) == documents
    await indexer.index(batch[:1])  # settings of the namespace are read once a process
    with world.counting.over() as counted:
        outcomes = await indexer.index(batch)
    assert len(outcomes) == documents
    assert counted.requests <= BUCKETS + -(-documents // IN_VALUES)
