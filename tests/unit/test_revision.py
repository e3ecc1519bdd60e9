"""The hybrid clock: never back, never twice, never far ahead."""

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.errors import ClockSkew
from syncline_contracts.revision import MARK_BITS, MAX_AHEAD, NEVER, TICK, Clock
from tests.parts.clock import SECOND, START, ManualClock

steps = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(-2 * MAX_AHEAD, 2 * MAX_AHEAD)),
        st.tuples(st.just("tick"), st.just(0)),
        st.tuples(st.just("observe"), st.integers(-2 * MAX_AHEAD, 2 * MAX_AHEAD)),
    ),
    max_size=40,
)


@given(steps, st.integers(0, TICK - 1))
def test_it_never_goes_back_and_passes_all_it_observed(steps: list[tuple[str, int]], mark: int) -> None:
    now = ManualClock()
    clock = Clock(mark=mark, now=now)
    newest = 0
    for what, amount in steps:
        try:
            if what == "move":
                now.time += amount
            elif what == "observe":
                clock.observe(now() + amount)
                newest = max(newest, now() + amount)
            else:
                revision = clock.tick()
                assert newest < revision <= now() + MAX_AHEAD
                assert revision % TICK == mark
                newest = revision
        except ClockSkew:
            ahead = newest + TICK if what == "tick" else now() + amount
            assert ahead + TICK > now() + MAX_AHEAD, "refused only what is too far ahead"


def test_what_was_refused_leaves_it_as_it_was() -> None:
    now = ManualClock()
    clock = Clock(mark=3, now=now)
    before = clock.tick()
    with pytest.raises(ClockSkew, match="Synchronise it"):
        clock.observe(now() + MAX_AHEAD + 1)
    assert clock.tick() == before + TICK
    now.forward(-60)
    with pytest.raises(ClockSkew, match="was the clock set back"):
        clock.tick()
    now.forward(60)
    assert clock.tick() == before + 2 * TICK


def test_a_burst_runs_ahead_of_its_clock_by_five_seconds_at_most() -> None:
    now = ManualClock(START)
    clock = Clock(mark=0, now=now)
    drawn = [clock.tick() for _ in range((START + MAX_AHEAD >> MARK_BITS) - (START >> MARK_BITS) + 1)][-1]
    with pytest.raises(ClockSkew):
        clock.tick()
    assert START + MAX_AHEAD - TICK <= drawn <= START + MAX_AHEAD


def test_threads_never_draw_the_same() -> None:
    clock = Clock()
    drawn: list[list[int]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda into=into: into.extend(clock.tick() for _ in range(2_000))) for into in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [revision for into in drawn for revision in into]
    assert len(set(everything)) == 8_000
    assert all(into == sorted(into) for into in drawn)


def test_processes_that_draw_at_once_differ_in_their_mark() -> None:
    now = ManualClock()
    drawn = {Clock(mark=mark, now=now).tick() for mark in range(1 << MARK_BITS)}
    assert len(drawn) == 1 << MARK_BITS
    assert max(drawn) - min(drawn) < TICK


@pytest.mark.parametrize("mark", [-1, TICK])
def test_a_mark_has_six_bits(mark: int) -> None:
    with pytest.raises(ValueError, match="mark must be"):
        Clock(mark=mark)


def test_it_tells_the_time_below_it() -> None:
    now = ManualClock()
    assert Clock(now=now).now() == START
    now.forward(1)
    assert Clock(now=now).now() == START + SECOND


def test_never_is_the_end_of_the_last_year() -> None:
    assert datetime.fromtimestamp(NEVER / 1e6, UTC) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
