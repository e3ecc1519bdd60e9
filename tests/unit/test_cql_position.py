"""Places of outbox rows: in the servers' order they stand as positions do."""

import uuid
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.revision import NEVER
from syncline_store.engines.cql.position import Positions, floor, position
from syncline_store.engines.protocol import Pos
from tests.parts.clock import SECOND, START, ManualClock

_ties = st.one_of(st.just(b""), st.binary(max_size=10), st.builds(lambda n: n.to_bytes(8, "big"), st.integers(0, 2**62 - 1)))
_places = st.builds(lambda at, tie: Pos(at, tie.to_bytes(8, "big")), st.integers(START, START + 3), st.integers(0, 2**62 - 1))


def servers_order(place: uuid.UUID) -> tuple[int, list[int]]:
    """By time, then byte by byte as signed numbers: TimeUUIDType of Cassandra, timeuuid of ScyllaDB."""
    return place.time, [byte - 256 if byte > 127 else byte for byte in place.bytes[8:]]


def test_a_drawn_place_is_a_version_1_uuid_at_its_time() -> None:
    place = Positions(lambda: START).draw(START)
    assert (place.version, place.variant) == (1, uuid.RFC_4122)
    assert position(place).at == START


def test_places_are_drawn_in_order_also_when_the_clock_goes_back() -> None:
    now = ManualClock()
    positions = Positions(now)
    places = []
    for step in (0, 0, 1, -5, 0, 7):
        now.forward(step)
        places += [positions.draw(positions.now()) for _ in range(300)]
    assert all(servers_order(before) < servers_order(after) for before, after in pairwise(places))
    assert all(position(before) < position(after) for before, after in pairwise(places))


def test_two_processes_never_draw_the_same_place() -> None:
    one, other = Positions(lambda: START), Positions(lambda: START)
    places = [positions.draw(START) for positions in (one, other) for _ in range(1_000)]
    assert len(set(places)) == len(places)


@given(place=_places)
def test_a_position_comes_back_as_it_was(place: Pos) -> None:
    assert position(floor(place)) == place


@given(one=_places, other=_places)
def test_both_orders_agree(one: Pos, other: Pos) -> None:
    assert (one < other) == (servers_order(floor(one)) < servers_order(floor(other)))


@given(row=_places, at=st.integers(START - 2, START + 5), tie=_ties)
def test_a_row_is_behind_any_bound_exactly_when_its_place_is_behind_the_bounds(row: Pos, at: int, tie: bytes) -> None:
    bound = Pos(at, tie)
    assert (row > bound) == (servers_order(floor(row)) > servers_order(floor(bound)))


def test_bounds_beyond_what_a_uuid_can_say_are_before_and_behind_all_rows() -> None:
    row = servers_order(floor(Pos(START, bytes(8))))
    for low in (Pos(0), Pos(-5), Pos(-(2**62)), Pos(0, b"\xff" * 20)):
        assert servers_order(floor(low)) < row
    for high in (Pos(NEVER), Pos(2 * START), Pos(2**62, b"x"), Pos(START + SECOND)):
        assert servers_order(floor(high)) > row
