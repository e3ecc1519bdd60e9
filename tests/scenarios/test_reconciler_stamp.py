"""An index that was built from another store is not compared with this one: all of it would look like drift (invariant 10)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncline_contracts.drift import Verdict
from syncline_store.index.index import Index
from syncline_store.parts import open_parts
from syncline_store.settings import store_settings
from tests.parts.reconciling import N1, N2, TwoSides, settled


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[TwoSides]:
    async with TwoSides.open(tmp_path) as both:
        yield both


async def test_another_stores_index_is_refused_and_nothing_is_removed(sides: TwoSides) -> None:
    """Both hold documents: neither side looks empty."""
    await sides.put(N1, "one")
    await settled(sides)
    await sides.sql("DELETE FROM documents")
    await sides.put(N2, "two")
    await sides.index.adopt("another keyspace")
    reconciler = sides.reconciler()
    report = await reconciler.check()
    assert (report.verdict, report.verdict.exit_code, report.findings) == (Verdict.UNKNOWN, 2, ())
    assert "reconcile adopt" in (report.refused or "")
    assert (await reconciler.repair(report)).repaired == 0


async def test_a_store_that_was_just_made_is_another_one(sides: TwoSides) -> None:
    """A keyspace that was dropped and migrated anew draws a new identity, and a document in it does not make it the old one."""
    before = await sides.engine.identity()
    await sides.put(N1, "one")
    await settled(sides)
    await sides.index.adopt(before)
    await sides.sql("DELETE FROM properties WHERE name = 'identity'")
    assert await sides.engine.identity() != before
    assert (await sides.reconciler().check()).verdict is Verdict.UNKNOWN


async def test_an_adopted_index_is_compared_again(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    await sides.index.adopt("the keyspace before the restore")
    await sides.index.adopt(await sides.engine.identity())
    async with sides.behind_its_back():
        pass
    assert await sides.index.source() == await sides.engine.identity(), "it outlives the process"
    assert (await sides.reconciler().check()).verdict is Verdict.IN_STEP


async def test_an_index_without_a_stamp_is_taken_for_this_stores(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    assert await sides.index.source() is None
    assert (await sides.reconciler().check()).verdict is Verdict.IN_STEP


async def test_a_store_stamps_the_index_that_it_makes_and_no_other(tmp_path: Path) -> None:
    url = f"path:{tmp_path / 'index'}"
    first = await open_parts(store_settings(store=f"sqlite:///{tmp_path / 'a.db'}", index=url))
    index: Index = await first.index()
    stamped = await first.engine.identity()
    assert await index.source() == stamped
    await first.aclose()
    second = await open_parts(store_settings(store=f"sqlite:///{tmp_path / 'b.db'}", index=url))
    assert await (await second.index()).source() == stamped
    await second.aclose()
