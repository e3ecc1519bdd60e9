"""What is decided from what is known: pure, so every rule of protocol steps 1 to 5 is a line of a table."""

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER
from syncline_store.document import INDEX_AS_NAMESPACE, INDEX_NOT, NO_CONTENT, Row
from syncline_store.index.points import Mark, PointState
from syncline_store.indexing.coalesce import Coalesced, coalesce
from syncline_store.indexing.decide import INTENT_LIFE, Case, Content, Defer, Embed, Gone, Refresh, Remove, Show, Skip, compare, decide
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.passages import Passage
from syncline_store.indexing.settle import Again, Clear, Settled, settle

REF = Ref("acme", ("notes",), "n1")
NOW = 1_750_000_000_000_000
LATENESS = 600_000_000
MODEL = "m"
WRITER = uuid.UUID(int=1)
CONTENT = Content([Passage("a", 0, 1), Passage("b", 2, 3)], "text", {})


def event(revision: int = 5, kind: Kind = Kind.WRITE, *, age: int = 0, expires: int = NEVER, **more: Any) -> ChangeEvent:
    fields = {"tenant": REF.tenant, "namespace": REF.namespace, "key": REF.key, **more}
    return ChangeEvent(revision=revision, kind=kind, first_at=NOW - age, expires_at=expires, **fields)


def row(revision: int = 5, *, expires: int = NEVER, deleted: bool = False, spec: str = INDEX_AS_NAMESPACE) -> Row:
    value = None if deleted else "{}"
    return Row(REF, revision, value, NO_CONTENT, WRITER, deleted, spec, expires, revision, revision)


def at(passage: int = 0, revision: int = 5, *, expires: int = NEVER, mark: Mark = Mark.LIVE, text: str = "text", **more: Any) -> PointState:
    fields = {"document": REF.document, "content_hash": "", "model": MODEL, "passages": 2, **more}
    return PointState(passage=passage, revision=revision, text_hash=text, expires_at=expires, mark=mark, **fields)


def case(given: ChangeEvent, seen: list[PointState], found: Row | None, tries: int = 0) -> Case:
    (work,) = coalesce([Delivery(given, "test")]).values()
    return Case(work, seen, found, NOW, tries)


DECISIONS = {
    "absent and young": (case(event(), [], None), Defer),
    "absent and old": (case(event(age=LATENESS), [], None), Gone),
    "expired and young": (case(event(), [], row(expires=NOW)), Defer),
    "expired and old": (case(event(age=LATENESS), [at()], row(expires=NOW)), Gone),
    "behind by revision": (case(event(6), [], row(5)), Defer),
    "behind by expiry": (case(event(5, expires=NOW + 2), [], row(5, expires=NOW + 1)), Defer),
    "behind and old": (case(event(6, age=LATENESS), [], row(5)), Show),
    "ahead of its event": (case(event(4), [], row(5)), Show),
    "known": (case(event(), [at()], row()), Skip),
    "known better": (case(event(), [at(0, 6)], row()), Skip),
    "known, but expires earlier": (case(event(expires=NOW + 2), [at(expires=NOW + 1)], row(expires=NOW + 2)), Show),
    "known as gone": (case(event(), [at(mark=Mark.GONE)], row()), Show),
    "known as deleted at its revision": (case(event(), [at(mark=Mark.DELETED)], row()), Skip),
    "known, sent back": (case(event(), [at()], row(), tries=1), Show),
    "known better, sent back": (case(event(), [at(0, 6)], row(), tries=1), Skip),
    "known, repair": (case(event(kind=Kind.REPAIR), [at()], row()), Show),
    "known, touch": (case(event(kind=Kind.TOUCH), [at()], row()), Show),
    "older": (case(event(), [at(0, 4)], row()), Show),
    "only a passage there": (case(event(), [at(1)], row()), Show),
    "deleted": (case(event(), [at(0, 4)], row(deleted=True)), Remove),
    "deleted, known": (case(event(), [at(mark=Mark.DELETED)], row(deleted=True)), Skip),
    "deleted, repair": (case(event(kind=Kind.REPAIR), [at()], row(deleted=True)), Remove),
    "not to be indexed": (case(event(), [at(0, 4)], row(spec=INDEX_NOT)), Remove),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_decide(name: str) -> None:
    known, expected = DECISIONS[name]
    assert isinstance(decide(known, LATENESS), expected)


COMPARISONS = {
    "same text, lower revision": (case(event(), [at(0, 4), at(1, 4)], row()), Refresh),
    "other text": (case(event(), [at(0, 4, text="other")], row()), Embed),
    "other model": (case(event(), [at(0, 4, model="other")], row()), Embed),
    "other number of passages": (case(event(), [at(0, 4, passages=3)], row()), Embed),
    "a tombstone": (case(event(), [at(0, 4, mark=Mark.DELETED)], row()), Embed),
    "nothing there": (case(event(), [], row()), Embed),
    "sent back": (case(event(), [at(0, 4)], row(), tries=1), Embed),
    "repair": (case(event(kind=Kind.REPAIR), [at(), at(1)], row()), Embed),
    "touch, all there": (case(event(kind=Kind.TOUCH), [at(), at(1)], row()), Skip),
    "touch, expires earlier": (case(event(kind=Kind.TOUCH), [at(expires=1), at(1, expires=1)], row()), Refresh),
    "touch, one passage behind": (case(event(kind=Kind.TOUCH), [at(), at(1, 4)], row()), Refresh),
    "touch, a passage lost": (case(event(kind=Kind.TOUCH), [at()], row()), Embed),
    "touch, a passage of another text": (case(event(kind=Kind.TOUCH), [at(), at(1, text="other")], row()), Embed),
    "touch, a passage too many": (case(event(kind=Kind.TOUCH), [at(), at(1), at(2)], row()), Embed),
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_compare(name: str) -> None:
    known, expected = COMPARISONS[name]
    assert isinstance(compare(known, row(), CONTENT, MODEL), expected)


def test_a_document_without_text_is_never_refreshed() -> None:
    assert isinstance(compare(case(event(), [at(0, 4, passages=1)], row()), row(), Content([], "text", {}), MODEL), Embed)


def test_gone_names_what_was_seen_alive() -> None:
    seen = [at(0, 7, expires=3), at(1, 6, expires=2), at(2, 6, mark=Mark.GONE)]
    assert decide(case(event(5, age=LATENESS), seen, None), LATENESS) == Gone(7, ((7, 3),), ((6, 2),))


def test_an_engine_whose_rows_are_never_late_is_believed_at_once() -> None:
    assert isinstance(decide(case(event(), [], None), 0), Gone)


def test_a_deferral_keeps_first_at_and_the_event() -> None:
    waiting = event(6, age=7)
    assert decide(case(waiting, [], row(5)), LATENESS) == Defer((waiting,))


@pytest.mark.parametrize(("expects", "age", "expected"), [(WRITER, 0, Defer), (WRITER, INTENT_LIFE, Show), (uuid.UUID(int=2), 0, Show)])
def test_an_intent_waits_while_the_row_has_the_write_id_that_it_expects(expects: uuid.UUID, age: int, expected: type) -> None:
    assert isinstance(decide(case(event(99, Kind.INTENT, age=age, expects=expects), [], row()), LATENESS), expected)


def test_an_intent_to_create_waits_for_a_row() -> None:
    assert isinstance(decide(case(event(99, Kind.INTENT), [], None), 0), Defer)


def test_an_intents_revision_makes_no_tombstone() -> None:
    decided = decide(case(event(99, Kind.INTENT, age=INTENT_LIFE), [at(0, 5)], None), 0)
    assert decided == Gone(5, ((5, NEVER),), ())


# ------------------------------------------------------------------ coalescing

events = st.builds(
    event,
    st.integers(1, 4),
    st.sampled_from([Kind.WRITE, Kind.TOUCH, Kind.REPAIR, Kind.SETTLED]),
    age=st.integers(0, 5),
    expires=st.integers(1, 3),
)


@given(st.lists(events, min_size=1, max_size=6))
def test_coalescing_keeps_the_latest_state_the_strongest_kind_and_the_oldest_time(given_events: list[ChangeEvent]) -> None:
    (work,) = coalesce([Delivery(each, "test") for each in given_events]).values()
    merged = work.event
    assert (merged.revision, merged.expires_at) == max((each.revision, each.expires_at) for each in given_events)
    assert merged.first_at == min(each.first_at for each in given_events)
    assert merged.kind.never_skips == any(each.kind.never_skips for each in given_events)
    assert (merged.kind is Kind.REPAIR) == any(each.kind is Kind.REPAIR for each in given_events)


def test_intents_are_kept_beside_the_event() -> None:
    intent, write = event(99, Kind.INTENT, expects=WRITER), event(5)
    (work,) = coalesce([Delivery(intent, "a"), Delivery(write, "b")]).values()
    assert isinstance(work, Coalesced)
    assert (work.event.revision, work.event.kind, work.intents) == (5, Kind.WRITE, (intent,))
    assert decide(Case(work, [], row(), NOW), LATENESS) == Defer((work.event, intent))


# ------------------------------------------------------------------ settling

SETTLED = {
    "all there": (row(), [at(), at(1)], Settled()),
    "a later one there": (row(), [at(0, 6, passages=1)], Settled()),
    "no head": (row(), [], Again()),
    "no head, passages": (row(), [at(1)], Again()),
    "an older head": (row(), [at(0, 4), at(1, 4)], Again()),
    "a passage missing": (row(), [at()], Again()),
    "a passage older": (row(), [at(), at(1, 4)], Again()),
    "gone at its revision": (row(), [at(mark=Mark.GONE)], Again()),
    "expires earlier": (row(expires=NOW + 9), [at(expires=NOW + 8), at(1, expires=NOW + 9)], Again()),
    "an older passage beyond": (row(), [at(), at(1), at(2, 4)], Clear(5)),
    "a later head, an older passage": (row(), [at(0, 6), at(1, 4)], Clear(6)),
    "deleted": (row(deleted=True), [at(mark=Mark.DELETED)], Settled()),
    "deleted, refused": (row(deleted=True), [at(0, 4)], Again()),
    "deleted, a passage lingers": (row(deleted=True), [at(mark=Mark.DELETED), at(1, 4)], Clear(5)),
    "gone": (None, [at(mark=Mark.GONE)], Settled()),
    "gone, a passage lingers": (None, [at(mark=Mark.GONE), at(1, 4)], Clear(5)),
    "expired since": (row(expires=NOW), [at(expires=NOW)], Settled()),
    "expired since, an older one there": (row(expires=NOW), [at(0, 4)], Again()),
    "expired since, swept": (row(expires=NOW), [], Settled()),
}


@pytest.mark.parametrize("name", SETTLED)
def test_settle(name: str) -> None:
    believed, points, expected = SETTLED[name]
    assert settle(believed, points, NOW) == expected
