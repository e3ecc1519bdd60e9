import uuid

from syncline_contracts.event import ChangeEvent, Kind
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.indexing.intents import Intents


def row(at: int, kind: Kind, name: uuid.UUID | None = None) -> OutboxRow:
    event = ChangeEvent(id=name or uuid.uuid4(), tenant="t", namespace=("n",), key="k", revision=at, kind=kind, first_at=at)
    return OutboxRow(0, Pos(at), event)


def test_an_intent_waits_and_its_settled_row_lets_it_go() -> None:
    intents, name = Intents(grace=10), uuid.uuid4()
    intent, settled, other = row(1, Kind.INTENT, name), row(3, Kind.SETTLED, name), row(2, Kind.WRITE)
    assert intents.sift([intent, other]) == [other]
    assert intents.holds(intent.pos)
    assert intents.oldest == Pos(1)
    assert intents.due(10) == []
    assert intents.sift([settled]) == [settled]
    assert intents.published([settled]) == [Pos(1)]
    assert intents.oldest is None


def test_an_intent_without_a_settled_row_is_due_after_its_grace_and_held_until_published() -> None:
    intents = Intents(grace=10)
    first, second = row(1, Kind.INTENT), row(5, Kind.INTENT)
    intents.sift([second, first])
    assert intents.due(11) == [first]
    assert intents.due(15) == [first, second]
    assert intents.oldest == Pos(1)
    assert intents.published([first]) == [Pos(1)]
    assert intents.oldest == Pos(5)


def test_beyond_the_bound_the_oldest_are_due_at_once() -> None:
    intents = Intents(grace=1000, at_most=2)
    rows = [row(at, Kind.INTENT) for at in range(5)]
    intents.sift(rows)
    assert intents.due(5) == rows[:3]
