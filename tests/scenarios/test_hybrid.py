"""The words of hybrid namespaces (decision 0018) through all that writes points: changes of other fields, repairs, the next model."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncline_contracts.drift import DriftKind, Verdict
from syncline_contracts.identity import Ref, point_id
from syncline_store.engines.protocol import NamespaceSettings
from syncline_store.index.index import Index
from syncline_store.index.points import SPARSE
from syncline_store.sparse import of_passage
from syncline_sync_worker.reconcile.scope import Scope
from tests.parts.damage import Damage
from tests.parts.migrating import Migrating
from tests.parts.reconciling import COLLECTION, N1, N2, THREE, kinds, long_text, repair_and_expect_nothing_left, settled

HYBRID = NamespaceSettings(fields=("text",), hybrid="english")


@pytest.fixture(params=["folder", "server"])
async def migrating(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Migrating]:
    """A document of one passage and one of three, in a hybrid namespace; the next model's collection is empty."""
    index = request.getfixturevalue("qdrant").url if request.param == "server" else None
    async with Migrating.open(tmp_path, index=index) as opened:
        await opened.sides.engine.namespaces.ensure(N1.tenant, N1.namespace, HYBRID)
        await opened.sides.put(N1, "the pump stopped: ERR-4711")
        await opened.sides.put(N2, THREE)
        await settled(opened.sides)
        yield opened


async def words(index: Index, ref: Ref, passage: int = 0) -> list[int]:
    """The indices of the passage's words, as the index holds them; none where it has no words."""
    head = point_id(ref.document, passage)
    (record,) = await index._client.call(lambda qdrant: qdrant.retrieve(index.collection, [head], with_vectors=[SPARSE]))
    sparse = (record.vector or {}).get(SPARSE)
    return [] if sparse is None else sorted(sparse.indices)


def of(text: str) -> list[int]:
    sparse = of_passage(text, "english")
    assert sparse is not None
    return sorted(sparse.indices)


async def test_every_passage_has_the_words_of_its_own_text(migrating: Migrating) -> None:
    assert await words(migrating.sides.index, N1) == of("the pump stopped: ERR-4711")
    for passage, text in enumerate(THREE.split("\n\n")):
        assert await words(migrating.sides.index, N2, passage) == of(text)


async def test_words_are_no_drift_and_a_repair_writes_them_anew(migrating: Migrating) -> None:
    sides = migrating.sides
    assert (await sides.reconciler().check(sample=1.0)).verdict is Verdict.IN_STEP
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
        await Damage(raw, COLLECTION).corrupt(N2, 1)
    assert kinds(await sides.reconciler().check(sample=1.0)) == {"n1": DriftKind.MISSING, "n2": DriftKind.CORRUPT}
    await repair_and_expect_nothing_left(sides, sample=1.0)
    assert await words(sides.index, N1) == of("the pump stopped: ERR-4711")
    assert await words(sides.index, N2, 1) == of(THREE.split("\n\n")[1])


async def test_a_longer_life_leaves_the_words(migrating: Migrating) -> None:
    """The text is the same: nothing is embedded, and payload alone is written."""
    sides = migrating.sides
    ends = sides.clock.now() + 3_600_000_000
    await sides.put(N1, "the pump stopped: ERR-4711", expires_at=ends)
    await settled(sides)
    await sides.extend(N1, ends + 60_000_000)
    await settled(sides)
    (point,) = (await sides.index.points([N1.document]))[N1.document]
    assert point.expires_at == ends + 60_000_000
    assert await words(sides.index, N1) == of("the pump stopped: ERR-4711")


async def test_the_next_model_has_the_words_of_what_was_built_and_of_what_was_written_live(migrating: Migrating) -> None:
    built = await migrating.build().run(Scope(), asyncio.Event(), tell=lambda _: None, waiting=lambda _: None)
    assert (built.complete, built.handled) == (True, 2)
    assert await words(migrating.next, N1) == of("the pump stopped: ERR-4711")
    await migrating.sides.put(N1, long_text("repaired", "by whom"))
    await migrating.handle()
    for index in (migrating.sides.index, migrating.next):
        assert await words(index, N1) == of(long_text("repaired"))
        assert await words(index, N1, 1) == of(long_text("by whom"))
    assert (await migrating.reconciler(migrating.side()).check(sample=1.0)).findings == ()
