"""C1 and C2 of docs/protocol.md: conditional writes whose client dies in the middle, replayed on the real handler. C3 is in test_relay.py."""

import uuid
from collections.abc import AsyncIterator

import pytest

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.revision import NEVER
from syncline_store.document import Row, Write
from syncline_store.engines.protocol import Won
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Deferred, Handled
from tests.parts.late_engine import HELD
from tests.parts.world import REF, World, open_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with open_world() as world:
        yield world


def intent(world: World, expected: Row | None) -> Delivery:
    """The first outbox row of a conditional write on this row."""
    expects = None if expected is None else expected.write_id
    event = ChangeEvent.of(REF, 0 if expected is None else expected.revision, Kind.INTENT, first_at=world.clock.now(), expires_at=NEVER)
    return Delivery(event.model_copy(update={"id": uuid.uuid4(), "expects": expects}), "outbox")


async def conditionally(world: World, write: Write, expected: Row | None) -> None:
    """It lands; nobody is told, no settled row comes."""
    assert isinstance(await world.engine.documents.write_if(write, expected), Won)


@pytest.mark.parametrize("there", [True, False])
async def test_c1_an_intent_waits_for_its_write_and_finds_it_though_the_client_died(world: World, *, there: bool) -> None:
    if there:
        first = world.write(1, "a")
        await world.surface(first)
        await world.handle(first)
    expected = await world.row()
    since = world.clock.now()
    (outcome,) = await world.handle(intent(world, expected))  # the relay's grace ended while the client stood still
    assert isinstance(outcome, Deferred)
    await conditionally(world, world.write(2, "b"), expected)
    (outcome,) = await world.handle(*await world.deferred(since))
    assert isinstance(outcome, Handled)
    await world.assert_in_step()


@pytest.mark.parametrize("there", [True, False])
async def test_c2_a_write_that_was_accepted_and_not_committed_is_finished_by_its_intents_handler(world: World, *, there: bool) -> None:
    if there:
        first = world.write(1, "a")
        await world.surface(first)
        await world.handle(first)
    expected = await world.row()
    world.engine.delays.documents[REF] = HELD
    await conditionally(world, world.write(2, "b"), expected)
    assert await world.row() == expected, "an ordinary read does not see it"
    (outcome,) = await world.handle(intent(world, expected))
    assert isinstance(outcome, Handled)
    await world.assert_in_step()


async def test_c2_the_intent_of_a_write_that_failed_is_handled_once_it_is_too_old_to_land(world: World) -> None:
    first = world.write(1, "a")
    await world.surface(first)
    waiting = intent(world, await world.row())
    assert isinstance((await world.handle(waiting))[0], Deferred)
    world.tick(2)  # ten minutes
    assert isinstance((await world.handle(waiting))[0], Handled)
    await world.assert_in_step()
