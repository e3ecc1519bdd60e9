"""Switching, going back, dropping: only to what is in step, only back to what served before, never what is in use."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncline_contracts.drift import DriftReport
from syncline_contracts.errors import ConfigurationError, InvalidInput
from syncline_sync_worker.reindex import Alias
from syncline_sync_worker.reindex.alias import Refused, Side, Turned
from tests.parts.migrating import Migrating
from tests.parts.reconciling import N1, N2


@pytest.fixture
async def migrating(tmp_path: Path) -> AsyncIterator[Migrating]:
    async with Migrating.open(tmp_path) as opened:
        await opened.sides.put(N1, "the first text")
        await opened.handle()
        yield opened


def before(migrating: Migrating) -> Alias:
    """With the settings of before the switch."""
    return Alias([migrating.side(following=False), migrating.side()], lambda side: migrating.reconciler(side).check())


def after(migrating: Migrating) -> Alias:
    """With those of after it."""
    return Alias([migrating.side(), migrating.side(following=False)], lambda side: migrating.reconciler(side).check())


async def put_into_one(migrating: Migrating) -> None:
    """By a process that was not told of the next model."""
    await migrating.sides.put(N2, "the second text")
    await migrating.sides.handle()
    migrating.sides.time.forward(3600)


async def test_it_is_switched_to_what_is_in_step_and_back(migrating: Migrating) -> None:
    old, new = migrating.sides.index.collection, migrating.next.collection
    turned = await before(migrating).switch(force=False)
    assert isinstance(turned, Turned)
    assert (turned.collection, turned.before) == (new, old)
    again = await before(migrating).switch(force=False)
    assert again == Turned(new, new, None), "nothing to do"
    assert isinstance(await after(migrating).switch(force=True), Refused), "a second switch does not undo the first"
    back = await after(migrating).rollback(force=False)
    assert isinstance(back, Turned)
    assert (back.collection, await migrating.next.serving()) == (old, old)
    assert isinstance(await after(migrating).rollback(force=True), Refused), "back goes one way"


async def test_what_lacks_a_document_is_switched_to_by_force_only(migrating: Migrating) -> None:
    old, new = migrating.sides.index.collection, migrating.next.collection
    await put_into_one(migrating)
    refused = await before(migrating).switch(force=False)
    assert isinstance(refused, Refused)
    assert refused.report is not None
    assert len(refused.report.findings) == 1
    assert await migrating.next.serving() == old
    assert isinstance(await before(migrating).switch(force=True), Turned)
    assert await migrating.next.serving() == new


async def test_what_could_not_be_compared_is_not_switched_to(migrating: Migrating) -> None:
    async def away(_: Side) -> DriftReport:
        return DriftReport(started_at=0, seconds=0.0, documents=0, points=0, refused="could not read both sides")

    alias = Alias([migrating.side(following=False), migrating.side()], away)
    assert isinstance(await alias.switch(force=False), Refused)
    assert await migrating.next.serving() == migrating.sides.index.collection


async def test_a_rollback_needs_the_settings_to_name_where_it_goes(migrating: Migrating) -> None:
    await before(migrating).switch(force=False)
    alone = Alias([migrating.side()], lambda side: migrating.reconciler(side).check())
    refused = await alone.rollback(force=False)
    assert isinstance(refused, Refused)
    assert "`next`" in refused.why
    assert isinstance(await alone.rollback(force=True), Turned)


async def test_without_a_next_model_there_is_nothing_to_switch_to(migrating: Migrating) -> None:
    alone = Alias([migrating.side(following=False)], lambda side: migrating.reconciler(side).check())
    with pytest.raises(ConfigurationError, match=r"next\.embedder"):
        await alone.switch(force=True)
    assert isinstance(await alone.rollback(force=True), Refused)


async def test_only_what_nobody_needs_is_dropped_and_then_there_is_no_way_back(migrating: Migrating) -> None:
    await before(migrating).switch(force=False)
    alone = Alias([migrating.side()], lambda side: migrating.reconciler(side).check())
    old, new = migrating.sides.index, migrating.next
    for alias, name, why in (
        (alone, new.model, "in use"),
        (alone, new.collection, "in use"),
        (Alias([migrating.side(), migrating.side(following=False)], alone._check), old.model, "embedder names"),
        (alone, "somebody-elses", old.collection),
    ):
        with pytest.raises(InvalidInput, match=why):
            await alias.droppable(name)
    await alone.drop(await alone.droppable(old.model))
    assert [each.collection for each in await alone.collections()] == [new.collection]
    refused = await alone.rollback(force=True)
    assert isinstance(refused, Refused)
    assert "gone" in refused.why
