"""While a model is migrated: every write reaches both collections or is not acknowledged, and dead letters name the model."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncline_contracts.errors import EmbedderUnavailable, IndexMismatch
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_store import open_store
from syncline_store.engines.protocol import Pos
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Buried, Deferred, Handled
from tests.parts.embedders import RefusingEmbedder
from tests.parts.migrating import Migrating
from tests.parts.reconciling import N1, N2, N3


@pytest.fixture
async def migrating(tmp_path: Path) -> AsyncIterator[Migrating]:
    async with Migrating.open(tmp_path) as opened:
        yield opened


async def test_every_write_reaches_both_and_so_does_every_deletion(migrating: Migrating) -> None:
    for ref in (N1, N2, N3):
        await migrating.sides.put(ref, f"the text of {ref.key}")
    assert all(isinstance(outcome, Handled) for outcome in await migrating.handle())
    assert await migrating.living(migrating.sides.index) == await migrating.living(migrating.next) == {"n1", "n2", "n3"}
    await migrating.sides.delete(N2)
    await migrating.sides.put(N1, "another text")
    await migrating.handle()
    assert await migrating.living(migrating.sides.index) == await migrating.living(migrating.next) == {"n1", "n3"}
    for following in (True, False):
        assert (await migrating.reconciler(migrating.side(following=following)).check()).findings == ()


async def test_an_outage_of_the_next_model_acknowledges_nothing(migrating: Migrating) -> None:
    await migrating.sides.put(N1, "a text")
    migrating.embedder.out = True
    with pytest.raises(EmbedderUnavailable):
        await migrating.handle()
    assert await migrating.letters() == []
    migrating.embedder.out = False
    await migrating.handle()
    assert await migrating.living(migrating.next) == {"n1"}


async def test_a_poison_of_one_model_names_it_and_is_resolved_when_both_have_the_document(migrating: Migrating) -> None:
    await migrating.sides.put(N1, "POISON to the next model")
    await migrating.sides.put(N2, "a text")
    outcomes = {outcome.ref: outcome for outcome in await migrating.handle()}
    assert isinstance(outcomes[N1], Buried)
    assert isinstance(outcomes[N2], Handled)
    (letter,) = await migrating.letters()
    assert letter.message.startswith("test/hash-8: ")
    assert await migrating.living(migrating.sides.index) == {"n1", "n2"}

    await migrating.indexer(migrating.sides.index, migrating.sides.embedder).index([Delivery(_write(N1, letter.revision or 0), "again")])
    assert len(await migrating.letters()) == 1, "only one of the two has it"
    migrating.embedder.refuses = False
    await migrating.every().index([Delivery(_write(N1, letter.revision or 0), "again")])
    assert await migrating.letters() == []


async def test_a_poison_of_the_model_in_use_is_a_dead_letter_too(migrating: Migrating) -> None:
    own = RefusingEmbedder("VENOM", dimensions=32)
    await migrating.sides.put(N1, "VENOM to the one in use")
    (outcome,) = await migrating.handle(own)
    assert isinstance(outcome, Buried)
    assert await migrating.living(migrating.next) == {"n1"}
    (letter,) = await migrating.letters()
    assert letter.revision == outcome.revision


async def test_what_is_ahead_of_its_document_is_deferred_once(migrating: Migrating) -> None:
    """Once for each model would double it at each deferral."""
    sides = migrating.sides
    ahead = ChangeEvent.of(N1, sides.clock.tick(), Kind.INTENT, first_at=sides.clock.now())
    (outcome,) = await migrating.every().index([Delivery(ahead, "test")])
    assert isinstance(outcome, Deferred)
    rows = [
        row
        for shard in range(sides.engine.outbox.shards)
        for row in await sides.engine.outbox.read(shard, Pos(0), Pos(sides.clock.now() + 10**9), 10)
    ]
    assert len(rows) == 1


async def test_it_refuses_to_write_where_the_alias_points_to_another_collection(migrating: Migrating) -> None:
    """Those writes would be missing in the collection that is searched."""
    await migrating.sides.put(N1, "a text")
    third = await migrating.sides.index.beside(RefusingEmbedder(dimensions=4))
    await migrating.sides.index.turn(third.collection, remember=True)
    with pytest.raises(IndexMismatch, match="next"):
        await migrating.handle()
    assert await migrating.living(migrating.sides.index) == set()


async def test_a_store_that_indexes_inline_writes_both_and_sweeps_both(tmp_path: Path) -> None:
    given = {"index": f"path:{tmp_path / 'index'}", "next": {"embedder": "wordllama:64"}, "embedder": "wordllama:256"}
    async with open_store(f"sqlite:///{tmp_path / 'documents.db'}", **given) as store:
        await store.tenant("acme").put(("notes",), "n1", {"text": "a cat"})
        await store.tenant("acme").put(("notes",), "n2", {"text": "a dog"}, ttl=3600)
        assert [await index.count() for index in await store.parts.indexes()] == [2, 2]
        assert [index.dimensions for index in await store.parts.indexes()] == [256, 64]
        await store.tenant("acme").delete(("notes",), "n1")
        for index in await store.parts.indexes():
            assert await Migrating.living(index) == {"n2"}


def _write(ref: Ref, revision: int) -> ChangeEvent:
    return ChangeEvent.of(ref, revision, Kind.WRITE, first_at=0)
