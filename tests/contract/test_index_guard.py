"""The guard, asked of Qdrant itself: it lets through what the model's `accepts` lets through, and nothing else (invariant 3)."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline_contracts.identity import point_id
from syncline_store.index.changes import Refresh, Removal, Upsert
from syncline_store.index.guard import Below, Gone, Guard, Mend, Plain
from syncline_store.index.index import Index
from syncline_store.index.points import Field, Mark, Point
from tests.contract.indexes import open_place
from tests.parts.embedders import HashEmbedder

EMBEDDER = HashEmbedder(4)
DOCUMENT = uuid.UUID(int=7)
OTHER = uuid.UUID(int=8)
A, B = 1_750_000_000_000_000, 1_750_000_000_000_001
revisions = st.sampled_from([A - 1, A, B])
expiries = st.sampled_from([10, 11, 12])
marks = st.sampled_from(Mark)
versions = st.tuples(revisions, expiries)


class Runner:
    """An index and the loop that it is used from."""

    def __init__(self, place: AbstractAsyncContextManager[Index]) -> None:
        self._runner = asyncio.Runner()
        self._place = place
        self.index: Index = self._runner.run(place.__aenter__())

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def close(self) -> None:
        self.run(self._place.__aexit__(None, None, None))
        self._runner.close()

    def put(self, point: Point) -> None:
        """Raw, whatever is there."""
        ids = [point.id]
        self.run(self.index._client.call(lambda qdrant: qdrant.delete(self.index._collection, points_selector=ids)))
        self.run(self.index.upsert([Upsert([point], Below(1))]))


@pytest.fixture(scope="module", params=["memory", "memory by filter", "server", "server by gRPC"])
def runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    opened = Runner(open_place(request, request.param, tmp_path_factory.mktemp("index"), EMBEDDER))
    yield opened
    opened.close()


def point(
    revision: Any, expires_at: int = 10, mark: Mark = Mark.LIVE, *, passage: int = 0, text_hash: str = "t", vector: bool = True
) -> Point:
    payload = {
        Field.DOCUMENT.value: str(DOCUMENT),
        Field.PASSAGE.value: passage,
        Field.REVISION.value: revision,
        Field.EXPIRES_AT.value: expires_at,
        Field.MARK.value: mark.value,
        Field.TEXT_HASH.value: text_hash,
    }
    return Point(point_id(DOCUMENT, passage), DOCUMENT, np.ones(4, np.float32) if vector else None, payload)


points = st.builds(point, revisions, expiries, marks, text_hash=st.sampled_from("tu"), vector=st.booleans())


def accepts(guard: Guard, old: tuple[int, int], mark: Mark, new: Mark) -> bool:
    """The model's words."""
    revision, expires_at = old
    if isinstance(guard, Gone):
        return revision < guard.revision or old in guard.seen
    if revision != guard.revision or isinstance(guard, Below):
        return revision < guard.revision
    if isinstance(guard, Mend):
        return expires_at <= guard.expires_at or mark is not Mark.LIVE
    return mark is Mark.GONE or (mark is Mark.LIVE and expires_at < guard.expires_at)


guards = st.one_of(
    st.builds(Below, revisions),
    st.builds(Plain, revisions, expiries),
    st.builds(Mend, revisions, expiries),
    st.builds(Gone, revisions, st.lists(versions, max_size=2).map(tuple)),
)


@settings(max_examples=150, deadline=None)
@given(guard=guards, old=versions, mark=marks)
def test_a_point_is_replaced_exactly_when_the_model_says_so(runner: Runner, guard: Guard, old: tuple[int, int], mark: Mark) -> None:
    runner.put(point(*old, mark))
    runner.run(runner.index.upsert([Upsert([point(guard.revision, 999, Mark.DELETED)], guard)]))
    ((now,),) = runner.run(runner.index.points([DOCUMENT])).values()
    assert (now.expires_at == 999) == accepts(guard, old, mark, Mark.DELETED)


@pytest.mark.parametrize("unreadable", [None, "soon", [], {"a": 1}, True])
def test_a_revision_that_cannot_be_read_protects_nothing(runner: Runner, unreadable: Any) -> None:
    runner.put(point(unreadable))
    runner.run(runner.index.upsert([Upsert([point(A, 999)], Plain(A, 10))]))
    ((now,),) = runner.run(runner.index.points([DOCUMENT])).values()
    assert now.version == (A, 999)


@settings(max_examples=80, deadline=None)
@given(old=points, new=versions)
def test_a_refresh_changes_only_lower_versions_of_the_same_text_that_have_a_vector(
    runner: Runner, old: Point, new: tuple[int, int]
) -> None:
    runner.put(old)
    runner.run(runner.index.refresh([Refresh(DOCUMENT, *new, "t", {Field.CONTENT_HASH.value: "new"})]))
    ((now,),) = runner.run(runner.index.points([DOCUMENT])).values()
    assert (now.content_hash == "new") == (now.text_hash == "t" and old.vector is not None and now.version < new)


@settings(max_examples=80, deadline=None)
@given(old=versions, below=revisions, seen=st.lists(versions, max_size=2), start=st.sampled_from([1, 2, 3]))
def test_a_removal_takes_passages_below_its_revision_or_as_they_were_seen(
    runner: Runner, old: tuple[int, int], below: int, seen: list[tuple[int, int]], start: int
) -> None:
    for passage in range(3):
        runner.put(point(*old, passage=passage))
    runner.run(runner.index.remove([Removal(DOCUMENT, start, below, tuple(seen))]))
    (left,) = runner.run(runner.index.points([DOCUMENT])).values()
    taken = set(range(start, 3)) if old[0] < below or old in seen else set()
    assert {state.passage for state in left} == {0, 1, 2} - taken


def test_a_vector_goes_with_the_point_that_a_tombstone_replaces(runner: Runner) -> None:
    runner.put(point(A))
    assert len(runner.run(runner.index.vectors([point(A).id]))) == 1
    runner.run(runner.index.upsert([Upsert([point(B, mark=Mark.DELETED, vector=False)], Plain(B, 0))]))
    assert runner.run(runner.index.vectors([point(A).id])) == {}
