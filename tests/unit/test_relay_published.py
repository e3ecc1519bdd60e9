from hypothesis import given
from hypothesis import strategies as st

from syncline_store.engines.protocol import Pos
from syncline_sync_worker.relay.published import SECOND, Published

places = st.builds(Pos, at=st.integers(0, 20 * SECOND), tie=st.binary(max_size=2))


@given(st.lists(places), st.lists(places))
def test_it_knows_exactly_what_was_added(added: list[Pos], others: list[Pos]) -> None:
    published = Published(0, at_most=1000)
    published.add(added)
    published.add(added)
    assert len(published) == len(set(added))
    for pos in [*added, *others]:
        assert (pos in published) == (pos in set(added))


@given(st.lists(places), st.integers(0, 25 * SECOND))
def test_it_forgets_only_what_no_overlap_reads_again(added: list[Pos], before: int) -> None:
    published = Published(0, at_most=1000)
    published.add(added)
    published.forget(before)
    assert all(pos in published for pos in added if pos.at >= before)
    assert not any(pos in published for pos in added if pos.at < before - SECOND)
    assert len(published) == sum(pos in published for pos in set(added))


def test_it_stays_within_its_bound_by_forgetting_the_oldest() -> None:
    published = Published(0, at_most=100)
    published.add(Pos(at * SECOND // 10) for at in range(1000))
    assert len(published) <= 100
    assert Pos(999 * SECOND // 10) in published
    assert Pos(0) not in published
    assert published.since > 80 * SECOND


def test_what_is_older_than_any_overlap_is_not_kept() -> None:
    published = Published(10 * SECOND, at_most=100)
    published.add([Pos(9 * SECOND), Pos(11 * SECOND)])
    assert len(published) == 1
