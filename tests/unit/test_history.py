"""The history checker itself: it must find what is wrong, and nothing in what is right."""

from tests.parts.history import Op, State, linearizable


def both(*ops: Op) -> tuple[bool, bool]:
    """In a transaction, and in CQL."""
    return linearizable(ops, apart=False), linearizable(ops, apart=True)


def put(begin: float, end: float, revision: int) -> Op:
    return Op("put", begin, end, f"v{revision}", revision)


def read(begin: float, end: float, revision: int | None) -> Op:
    return Op("read", begin, end, seen=None if revision is None else State(revision, f"v{revision}"))


def applied(begin: float, end: float, revision: int, expects: int | None) -> Op:
    return Op("if", begin, end, f"v{revision}", revision, "applied", expects)


def refused(begin: float, end: float, expects: int | None, seen: int | None) -> Op:
    return Op("if", begin, end, "never", None, "refused", expects, None if seen is None else State(seen, f"v{seen}"))


def superseded(begin: float, end: float, expects: int | None, seen: int) -> Op:
    return Op("if", begin, end, "ours", None, "superseded", expects, State(seen, f"v{seen}"))


def test_what_follows_each_other_is_right() -> None:
    assert both(applied(0, 1, 1, None), read(2, 3, 1), applied(4, 5, 2, 1), refused(6, 7, 1, 2), put(8, 9, 3), read(10, 11, 3)) == (
        True,
        True,
    )


def test_two_that_won_against_one_state_are_found() -> None:
    assert both(applied(0, 1, 1, None), applied(2, 9, 2, 1), applied(2, 9, 3, 1)) == (False, False)


def test_a_read_of_the_past_is_found() -> None:
    assert both(put(0, 1, 1), put(2, 3, 2), read(4, 5, 1)) == (False, False)


def test_a_plain_put_that_came_with_an_older_revision_has_lost() -> None:
    assert both(put(0, 1, 5), put(2, 3, 4), read(4, 5, 5)) == (True, True)
    assert both(put(0, 1, 5), put(2, 3, 4), read(4, 5, 4)) == (False, False)


def test_superseded_told_as_refused_is_found() -> None:
    assert both(put(0, 1, 1), read(2, 3, 1), superseded(4, 9, 1, 3), put(5, 8, 3)) == (True, True)
    assert both(put(0, 1, 1), put(4, 9, 3), Op("if", 4, 9, "v2", None, "refused", 1, State(3, "v3")), read(5, 6, 2)) == (False, False)


def test_what_a_conditional_write_superseded_was_written_before_it() -> None:
    assert both(put(0, 1, 1), Op("if", 2, 9, "v2", None, "superseded", 1, State(3, "v3")), applied(2, 8, 3, 2)) == (False, False)
    ours = Op("if", 2, 9, "v2", None, "superseded", 1, State(3, "v3"))
    assert both(put(0, 1, 1), ours, read(3, 4, 2), applied(5, 8, 3, 2)) == (True, True)
    assert both(put(0, 1, 1), ours, applied(2, 8, 3, 1)) == (False, False)


def test_a_refusal_whose_condition_held_is_found() -> None:
    assert both(put(0, 1, 1), refused(2, 3, 1, 1)) == (False, False)


def test_a_put_between_the_look_and_the_effect_is_right_in_cql_alone() -> None:
    assert both(put(0, 1, 1), applied(2, 9, 3, 1), put(4, 5, 2), read(6, 7, 2), read(10, 11, 3)) == (False, True)


def test_who_never_heard_an_answer_may_have_been_applied() -> None:
    unheard = Op("if", 2, value="v2", outcome="unknown", expects=1)
    assert both(put(0, 1, 1), unheard, read(3, 4, 1), read(5, 6, 2)) == (True, True)
    assert both(put(0, 1, 1), unheard, read(3, 4, 1)) == (True, True)
    assert both(put(0, 1, 1), unheard, read(3, 4, 2), read(5, 6, 1)) == (False, False)
