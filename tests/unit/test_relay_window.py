from hypothesis import given
from hypothesis import strategies as st

from syncline_store.engines.protocol import Pos
from syncline_store.indexing.pages import low_water_mark
from syncline_sync_worker.relay.settings import RelaySettings
from syncline_sync_worker.relay.shard import window
from syncline_sync_worker.relay.window import Overlap, Window

SECOND = 1_000_000
SHORT, LONG = Overlap(10 * SECOND, SECOND), Overlap(300 * SECOND, 30 * SECOND)


def make(begun: int = 0) -> Window:
    return Window(begun, -1000 * SECOND, SHORT, LONG, widest=1200 * SECOND)


def sweep_at(window: Window, now: int) -> bool | None:
    """Complete the sweep that is due; whether it was a long one."""
    due = window.due(now, Pos(now))
    if due is None:
        return None
    window.completed(due)
    return due.long


def test_short_sweeps_each_second_long_ones_each_half_minute() -> None:
    window = make()
    kinds = [sweep_at(window, second * SECOND) for second in range(61)]
    assert kinds[0] is None
    assert [second for second, long in enumerate(kinds) if long] == [30, 60]
    assert all(long is False for second, long in enumerate(kinds) if second % 30)


def test_a_sweep_counts_back_from_the_last_completed_one_after_any_pause() -> None:
    window = make()
    sweep_at(window, 30 * SECOND)
    late = 5000 * SECOND
    due = window.due(late, Pos(late))
    assert due is not None
    assert due.long
    assert due.after == Pos(-270 * SECOND)
    assert due.until == Pos(late)


def test_a_sweep_that_failed_half_way_counts_for_nothing() -> None:
    window = make()
    started = window.due(30 * SECOND, Pos(30 * SECOND))
    assert started is not None
    assert window.swept == 0
    again = window.due(60 * SECOND, Pos(60 * SECOND))
    assert again is not None
    assert again.after == started.after


def test_a_row_near_the_end_of_the_overlap_widens_it_up_to_the_widest() -> None:
    window = make()
    for second in range(0, 1000, 30):
        sweep_at(window, second * SECOND)
    assert not window.widen_for(Pos(window.swept - 200 * SECOND))
    assert window.widen_for(Pos(window.swept - 250 * SECOND))
    assert window.reach == 600 * SECOND
    sweep_at(window, 2000 * SECOND)
    assert window.widen_for(Pos(window.swept - 590 * SECOND))
    sweep_at(window, 4000 * SECOND)
    assert not window.widen_for(Pos(window.swept - 1190 * SECOND))
    assert window.reach == 1200 * SECOND


def test_a_row_from_a_pause_widens_nothing() -> None:
    window = make()
    sweep_at(window, 30 * SECOND)
    assert not window.widen_for(Pos(40 * SECOND))


def test_overlaps_reach_no_further_than_rows_can_be_late() -> None:
    exact = window(100 * SECOND, 0, 2 * SECOND, RelaySettings())
    assert exact.reach == 2 * SECOND
    assert exact.floor == 98 * SECOND
    long = exact.due(101 * SECOND, Pos(101 * SECOND))
    assert long is not None
    assert long.long, "where the long overlap is no longer than the short one, each sweep is a long one"


def test_no_sweep_reads_before_the_mark_that_it_began_at() -> None:
    window = Window(1000 * SECOND, 900 * SECOND, SHORT, LONG, widest=1200 * SECOND)
    assert window.floor == 900 * SECOND
    due = window.due(1030 * SECOND, Pos(1030 * SECOND))
    assert due is not None
    assert due.after == Pos(900 * SECOND)


@given(
    swept=st.integers(0, 10**9),
    overlap=st.integers(0, 10**9),
    read=st.integers(0, 10**9),
    intent=st.none() | st.integers(0, 10**9),
)
def test_the_mark_passes_neither_the_overlap_nor_what_was_read_nor_an_intent(
    swept: int, overlap: int, read: int, intent: int | None
) -> None:
    oldest = None if intent is None else Pos(intent, b"tie")
    mark = low_water_mark(swept, overlap, Pos(read), oldest)
    assert mark.at <= swept - overlap
    assert mark <= Pos(read)
    if oldest is not None:
        assert mark < oldest
    assert mark in (Pos(swept - overlap), Pos(read), Pos((intent or 0) - 1))
