"""When an event that is ahead of its document is looked at again."""

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER
from syncline_store.indexing.defer import LATEST, SOONEST, due
from syncline_store.indexing.outcome import Deferred
from tests.parts.clock import SECOND, START
from tests.parts.world import YOUNG, open_world


def event(*, age: int, expires_at: int = NEVER) -> ChangeEvent:
    """`age` in µs, at START."""
    return ChangeEvent.of(Ref("acme", ("notes",), "n1"), START - age, Kind.WRITE, first_at=START - age, expires_at=expires_at)


def test_it_waits_as_long_as_it_has_waited_within_bounds() -> None:
    assert due([event(age=0)], START, YOUNG) == START + SOONEST
    assert due([event(age=2 * SECOND), event(age=5 * SECOND)], START, YOUNG) == START + 2 * SECOND
    assert due([event(age=100 * SECOND)], START, YOUNG) == START + LATEST


def test_one_that_is_over_waits_until_no_row_surfaces_any_more() -> None:
    ended = [event(age=10 * SECOND, expires_at=START), event(age=60 * SECOND, expires_at=START - 1)]
    assert due(ended, START, YOUNG) == START - 10 * SECOND + YOUNG
    assert due([*ended, event(age=10 * SECOND, expires_at=START + 1)], START, YOUNG) == START + 10 * SECOND


async def test_a_document_whose_life_ended_before_it_was_handled_is_put_back_once() -> None:
    """Where rows may surface late a missing one is not believed yet. Beside it one that lives and is late: each waits for its own."""
    async with open_world() as world:
        other = Ref("acme", ("notes",), "n2")
        short, late = world.write(1, "a", expires=1), world.write(2, "b", ref=other)
        world.tick()
        before = world.clock.now()
        outcomes = await world.handle(short, late)
        (again,) = (each.due for each in outcomes if isinstance(each, Deferred) and each.ref != other)
        assert again == short.event.first_at + YOUNG
        assert {each.due for each in outcomes if isinstance(each, Deferred)} == {again, before + LATEST}
        waiting = await world.deferred(before)
        world.tick()
        await world.surface(late)
        assert not [each for each in await world.handle(*waiting) if isinstance(each, Deferred)]
        await world.assert_in_step()
        await world.assert_in_step(other)
