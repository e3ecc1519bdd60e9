"""compare against a naive oracle that goes document by document, and each kind by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.drift import DriftKind, Finding
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER
from syncline_store.engines.protocol import Heads
from syncline_store.index.columns import words
from syncline_store.index.points import Mark
from syncline_store.index.scan import MARKS, IndexPoints
from syncline_sync_worker.reconcile.columns import together, within
from syncline_sync_worker.reconcile.compare import compare
from syncline_sync_worker.reconcile.findings import Sides
from syncline_sync_worker.reconcile.scope import Scope

NOW = 1_000
MODEL, OTHER_MODEL = "model-a", "model-b"
A, B = bytes(range(16)), bytes(range(16, 32))
LIVE, DELETED, GONE = Mark.LIVE, Mark.DELETED, Mark.GONE


@dataclass(frozen=True)
class Head:
    number: int = 0
    revision: int = 100
    content: bytes = A
    expires_at: int = NEVER
    deleted: bool = False
    indexed: bool = True


@dataclass(frozen=True)
class Held:
    number: int = 0
    passage: int = 0
    passages: int = 1
    revision: int = 100
    content: bytes = A
    expires_at: int = NEVER
    mark: Mark = LIVE
    model: str = MODEL
    named: bool = True


def ref(number: int) -> Ref:
    return Ref("acme" if number % 2 == 0 else "globex", ("notes",), f"n{number}")


def pack_heads(heads: Sequence[Head]) -> Heads:
    return Heads(
        refs=[ref(head.number) for head in heads],
        ids=words(b"".join(ref(head.number).document.bytes for head in heads)),
        content_hashes=words(b"".join(head.content for head in heads)),
        revisions=np.array([head.revision for head in heads], np.int64),
        expires_at=np.array([head.expires_at for head in heads], np.int64),
        deleted=np.array([head.deleted for head in heads], np.bool_),
        indexed=np.array([head.indexed for head in heads], np.bool_),
        segments=np.array([head.number for head in heads], np.int16),
    )


def pack_points(points: Sequence[Held]) -> IndexPoints:
    return IndexPoints(
        ids=[f"{point.number}/{point.passage}" for point in points],
        refs=[ref(point.number) if point.named else None for point in points],
        models=[point.model for point in points],
        documents=words(b"".join(ref(point.number).document.bytes for point in points)),
        content_hashes=words(b"".join(point.content for point in points)),
        revisions=np.array([point.revision for point in points], np.int64),
        expires_at=np.array([point.expires_at for point in points], np.int64),
        passage=np.array([point.passage for point in points], np.int32),
        passages=np.array([point.passages for point in points], np.int32),
        marks=np.array([MARKS.index(point.mark) for point in points], np.int8),
        segments=np.array([point.number for point in points], np.int16),
    )


def found(heads: Sequence[Head], points: Sequence[Held]) -> dict[int, Finding]:
    sides = Sides(pack_heads(heads), pack_points(points), MODEL, NOW)
    findings = sides.findings(compare(sides.heads, sides.points, model=MODEL, now=NOW))
    by_number = {int(finding.key[1:]): finding for finding in findings}
    assert len(by_number) == len(findings), "a document has one finding at most"
    return by_number


def kind(heads: Sequence[Head], points: Sequence[Held]) -> DriftKind | None:
    finding = found(heads, points).get(0)
    return None if finding is None else finding.kind


# ------------------------------------------------------------------ the oracle: one document at a time, nothing packed


def oracle(head: Head | None, points: Sequence[Held], *, now: int = NOW, model: str = MODEL) -> DriftKind | None:
    alive = [point for point in points if point.expires_at > now]
    live = [point for point in alive if point.mark is LIVE]
    if head is None or head.deleted or not head.indexed or head.expires_at <= now:
        return DriftKind.ORPHAN if live else None
    first = next((point for point in alive if point.passage == 0), None)
    if first is None:
        return DriftKind.MISSING
    if first.mark is not LIVE:
        return DriftKind.STALE
    meant = [point for point in live if point.passage < first.passages or point.passage == 0]
    if any((point.revision, point.content, point.expires_at) != (head.revision, head.content, head.expires_at) for point in meant):
        return DriftKind.STALE
    if any(point.model != model for point in meant):
        return DriftKind.WRONG_MODEL
    complete = {point.passage for point in live} == set(range(first.passages))
    agreed = all(point.passages == first.passages for point in live)
    return None if complete and agreed else DriftKind.PASSAGE_GAP


def oracle_since(head: Head | None, points: Sequence[Held]) -> int:
    return max([*(point.revision for point in points), *([head.revision] if head else [])])


REVISIONS = st.sampled_from([50, 100, 150])
EXPIRIES = st.sampled_from([NEVER, NOW - 1, NOW, NOW + 1])
HEADS = st.builds(
    Head,
    revision=REVISIONS,
    content=st.sampled_from([A, B]),
    expires_at=EXPIRIES,
    deleted=st.sampled_from([False, False, True]),
    indexed=st.sampled_from([True, True, False]),
)
ANY_POINT = st.builds(
    Held,
    passage=st.integers(0, 3),
    passages=st.integers(0, 3),
    revision=REVISIONS,
    content=st.sampled_from([A, B]),
    expires_at=EXPIRIES,
    mark=st.sampled_from(Mark),
    model=st.sampled_from([MODEL, MODEL, OTHER_MODEL]),
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[Head | None, list[Held]]:
    """Anything at all, or a document in step with at most one thing changed."""
    head = draw(st.none() | HEADS)
    if head is None or draw(st.booleans()):
        return head, draw(st.lists(ANY_POINT, max_size=4, unique_by=lambda point: point.passage))
    count = draw(st.integers(1, 3))
    right = Held(passages=count, revision=head.revision, content=head.content, expires_at=head.expires_at)
    points = [replace(right, passage=passage) for passage in range(count)]
    damage = draw(st.sampled_from(["none", "lost", "extra", "changed"]))
    at = draw(st.integers(0, count - 1))
    if damage == "lost":
        del points[at]
    elif damage == "extra":
        points.append(replace(draw(ANY_POINT), passage=count + at))
    elif damage == "changed":
        points[at] = replace(draw(ANY_POINT), passage=at)
    return head, points


@given(states=st.lists(documents(), max_size=6), order=st.randoms(use_true_random=False))
def test_findings_are_those_of_the_naive_oracle(states: list[tuple[Head | None, list[Held]]], order: object) -> None:
    heads = [replace(head, number=number) for number, (head, _) in enumerate(states) if head is not None]
    points = [replace(point, number=number) for number, (_, held) in enumerate(states) for point in held]
    order.shuffle(heads)  # type: ignore[attr-defined]  # a random.Random
    order.shuffle(points)  # type: ignore[attr-defined]  # a random.Random
    findings = found(heads, points)
    expected = {number: oracle(*state) for number, state in enumerate(states)}
    assert {number: finding.kind for number, finding in findings.items()} == {n: k for n, k in expected.items() if k is not None}
    for number, finding in findings.items():
        head, held = states[number]
        assert finding.since == oracle_since(head, held)
        assert finding.source_revision == (head.revision if head else None)
        assert finding.ref == ref(number)
        assert finding.document == ref(number).document
        assert finding.segment == number
        assert finding.detail
        if finding.kind is DriftKind.ORPHAN:
            alive = {(point.revision, point.expires_at) for point in held if point.expires_at > NOW and point.mark is LIVE}
            assert (finding.index_revision, finding.expires_at) in alive
            assert finding.index_revision == max(revision for revision, _ in alive)
        else:
            assert head is not None
            assert finding.expires_at == head.expires_at


@given(states=st.lists(documents(), max_size=6))
def test_documents_in_step_are_those_that_should_be_found_and_have_no_finding(states: list[tuple[Head | None, list[Held]]]) -> None:
    heads = pack_heads([replace(head, number=number) for number, (head, _) in enumerate(states) if head is not None])
    points = pack_points([replace(point, number=number) for number, (_, held) in enumerate(states) for point in held])
    in_step = compare(heads, points, model=MODEL, now=NOW).in_step
    expected = {
        ref(number)
        for number, (head, held) in enumerate(states)
        if head is not None and not head.deleted and head.indexed and head.expires_at > NOW and oracle(head, held) is None
    }
    assert {heads.refs[row] for row in in_step.tolist()} == expected


# ------------------------------------------------------------------ each rule by name


def test_in_step() -> None:
    assert kind([Head()], [Held()]) is None
    assert kind([Head()], [Held(passages=2), Held(passage=1, passages=2)]) is None


def test_nothing_on_either_side() -> None:
    assert found([], []) == {}


def test_missing() -> None:
    assert kind([Head()], []) is DriftKind.MISSING
    assert kind([Head()], [Held(passage=1, passages=2)]) is DriftKind.MISSING


@pytest.mark.parametrize(
    "held", [Held(revision=99), Held(revision=101), Held(content=B), Held(expires_at=5_000), Held(mark=GONE), Held(mark=DELETED)]
)
def test_stale(held: Held) -> None:
    assert kind([Head()], [held]) is DriftKind.STALE


def test_every_point_is_compared_not_the_head_alone() -> None:
    for other in (Held(revision=99), Held(content=B), Held(expires_at=5_000)):
        assert kind([Head()], [Held(passages=2), replace(other, passage=1, passages=2)]) is DriftKind.STALE


def test_t1_two_writes_of_one_revision_are_told_apart_by_content() -> None:
    assert kind([Head(content=A)], [Held(content=B)]) is DriftKind.STALE


@pytest.mark.parametrize("head", [None, Head(deleted=True), Head(deleted=True, revision=50), Head(indexed=False), Head(expires_at=NOW)])
def test_orphan(head: Head | None) -> None:
    heads = [] if head is None else [head]
    assert kind(heads, [Held()]) is DriftKind.ORPHAN
    assert kind(heads, [Held(mark=GONE), Held(passage=1, passages=2)]) is DriftKind.ORPHAN, "a passage that survived its head"


@pytest.mark.parametrize("head", [None, Head(deleted=True), Head(indexed=False), Head(expires_at=NOW)])
def test_tombstones_are_in_step_with_absence(head: Head | None) -> None:
    heads = [] if head is None else [head]
    assert kind(heads, []) is None
    assert kind(heads, [Held(mark=DELETED, passages=0, revision=7)]) is None
    assert kind(heads, [Held(mark=GONE, passages=0, revision=7_000)]) is None


def test_d2_what_has_expired_is_absent_on_both_sides() -> None:
    assert kind([Head(expires_at=NOW)], [Held(expires_at=NOW)]) is None
    assert kind([Head(expires_at=NOW)], []) is None
    assert kind([], [Held(expires_at=NOW)]) is None
    assert kind([Head(expires_at=NOW + 1)], [Held(expires_at=NOW + 1)]) is None
    assert kind([Head(expires_at=NOW + 1)], [Held(expires_at=NOW)]) is DriftKind.MISSING


def test_wrong_model() -> None:
    assert kind([Head()], [Held(model=OTHER_MODEL)]) is DriftKind.WRONG_MODEL
    assert kind([Head()], [Held(passages=2), Held(passage=1, passages=2, model=OTHER_MODEL)]) is DriftKind.WRONG_MODEL


@pytest.mark.parametrize(
    "points",
    [
        [Held(passages=2)],
        [Held(passages=3), Held(passage=2, passages=3)],
        [Held(), Held(passage=1)],
        [Held(), Held(passage=1, revision=50)],
        [Held(passages=2), Held(passage=1, passages=3)],
        [Held(passages=0)],
    ],
)
def test_passage_gap(points: list[Held]) -> None:
    assert kind([Head()], points) is DriftKind.PASSAGE_GAP


def test_a_passage_that_is_there_twice() -> None:
    assert kind([Head()], [Held(), Held()]) is DriftKind.DUPLICATE
    assert kind([Head()], [Held(passages=2), Held(passage=1, passages=2), Held(passage=1, passages=2)]) is DriftKind.DUPLICATE
    assert kind([Head()], [Held(), Held(revision=50)]) is DriftKind.STALE
    assert kind([], [Held(), Held()]) is DriftKind.ORPHAN


def test_what_names_no_document_has_no_finding_but_is_seen() -> None:
    sides = Sides(pack_heads([Head(2)]), pack_points([Held(0, named=False), Held(2)]), MODEL, NOW)
    differences = compare(sides.heads, sides.points, model=MODEL, now=NOW)
    assert sides.named(differences).tolist() == [False]


def test_a_tenants_part_and_blocks_put_together() -> None:
    blocks = [pack_points([Held(0), Held(1)]), pack_points([Held(2, named=False), Held(3), Held(4, passage=1)])]
    whole = together(blocks, blocks[0])
    assert list(whole.ids) == ["0/0", "1/0", "2/0", "3/0", "4/1"]
    assert [whole.ids[place] for place in range(len(whole.ids))] == list(whole.ids)
    assert whole.ids[1:3] == ["1/0", "2/0"]
    with pytest.raises(IndexError):
        whole.ids[5]
    assert whole.segments.tolist() == [0, 1, 2, 3, 4]
    acme = within(whole, Scope("acme"))
    assert acme.ids == ["0/0", "4/1"]
    assert acme.passage.tolist() == [0, 1]
    assert len(together([], acme)) == 2
