"""The index wherever it is kept: scans of everything that is there, searches, filters, the sweep; damaged points are read, never
tripped over. What guards let through is test_index_guard.py's.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from qdrant_client import models

from syncline_contracts.errors import InvalidFilter
from syncline_contracts.identity import SEGMENTS, point_id
from syncline_contracts.revision import NEVER
from syncline_store.index import request
from syncline_store.index.index import Index
from syncline_store.index.points import Mark, Point
from syncline_store.index.scan import MARKS, IndexPoints, document_of
from syncline_store.index.state import NO_REVISION
from tests.contract.indexes import PLACES, open_place
from tests.parts.clock import START
from tests.parts.points import EMBEDDER, point, put, ref


@pytest.fixture(params=PLACES)
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Index]:
    async with open_place(request, request.param, tmp_path, EMBEDDER) as opened:
        yield opened


async def scanned(index: Index, first: int, last: int, block: int = 10_000) -> list[IndexPoints]:
    return [columns async for columns in index.scan(first, last, block)]


async def test_a_scan_gives_every_point_in_packed_columns(index: Index) -> None:
    await put(index, [point(number) for number in range(50)] + [point(7, 1), point(50, mark="deleted")])
    blocks = await scanned(index, 0, SEGMENTS - 1, 20)
    assert [len(block) for block in blocks] == [20, 20, 12]
    found = {(block.refs[place], int(block.passage[place])): (block, place) for block in blocks for place in range(len(block))}
    block, place = found[ref(7), 1]
    assert document_of(block.documents[place]) == ref(7).document
    assert block.ids[place] == point_id(ref(7).document, 1)
    assert block.models[place] == EMBEDDER.model
    assert (int(block.content_hashes[place][0]) << 64 | int(block.content_hashes[place][1])) == 7
    assert (block.revisions[place], block.expires_at[place], block.segments[place]) == (START + 7, NEVER, 7)
    block, place = found[ref(50), 0]
    assert MARKS[block.marks[place]] is Mark.DELETED
    assert len(found) == 52


async def test_a_scan_of_some_segments_gives_their_points_alone(index: Index) -> None:
    await put(index, [point(number) for number in range(20)])
    (block,) = await scanned(index, 5, 9)
    assert sorted(block.segments.tolist()) == [5, 6, 7, 8, 9]
    assert await scanned(index, 100, 200) == []


async def test_damaged_points_are_scanned_as_they_are(index: Index) -> None:
    damaged = point(1, document="nonsense", revision="soon", content_hash="xyz", namespaces=[], expires_at=None, mark=3, passage="a")
    bare = Point(point_id(UUID(int=1), 0), UUID(int=1), EMBEDDER.vectors(["t"])[0], {"passage": 0})
    await index._client.call(lambda qdrant: qdrant.upsert(index._collection, [request.as_point(damaged), request.as_point(bare)]))
    (block,) = await scanned(index, 0, SEGMENTS - 1)
    assert list(block.refs) == [None, None]
    assert set(block.revisions.tolist()) == {NO_REVISION}
    assert block.documents.sum() == 0
    assert block.content_hashes.sum() == 0
    assert all(MARKS[mark] is Mark.LIVE for mark in block.marks)


async def test_a_search_gives_the_nearest_and_whose_they_are(index: Index) -> None:
    await put(index, [point(number, text=f"text {number}") for number in range(20)])
    everything = models.Filter()
    found = await index.search(EMBEDDER.vectors(["text 3"])[0], everything, 3)
    assert (found[0].ref, found[0].span, found[0].state.revision) == (ref(3), (0, 1), START + 3)
    assert found[0].score == pytest.approx(1, abs=1e-5)
    following = await index.search(EMBEDDER.vectors(["text 3"])[0], everything, 2, offset=1)
    assert [hit.ref for hit in following] == [hit.ref for hit in found[1:]]
    near = await index.search(EMBEDDER.vectors(["text 3"])[0], everything, 20, threshold=0.999)
    assert [hit.ref for hit in near] == [ref(3)]


async def test_a_point_that_does_not_say_whose_it_is_is_never_found(index: Index) -> None:
    await put(index, [point(1, tenant=None), point(2)])
    found = await index.search(EMBEDDER.vectors(["t"])[0], models.Filter(), 10)
    assert [hit.ref for hit in found] == [ref(2)]


async def test_filters_alone_find_heads_page_by_page(index: Index) -> None:
    await put(index, [point(number) for number in range(25)] + [point(3, 1)])
    where = models.Filter(must=[models.FieldCondition(key="fields.n", range=models.Range(gte=5))])
    found, after, pages = [], None, 0
    while pages == 0 or after is not None:
        page = await index.filtered(where, after, 8)
        found += [hit.ref for hit in page.items]
        after, pages = page.after, pages + 1
    assert sorted(hit.key for hit in found) == sorted(ref(number).key for number in range(5, 25))
    assert pages == 3


async def test_a_filter_that_qdrant_refuses_is_the_callers_error(index: Index) -> None:
    await put(index, [point(1)])
    nonsense = models.Filter(must=[models.FieldCondition(key="fields.[", match=models.MatchValue(value=1))])
    with pytest.raises(InvalidFilter):
        await index.search(EMBEDDER.vectors(["t"])[0], nonsense, 1)


async def test_vectors_of_points_that_have_one(index: Index) -> None:
    bare = Point(point_id(ref(2).document, 0), ref(2).document, None, point(2).payload)
    await put(index, [point(1, text="a"), bare])
    found = await index.vectors([point(1).id, bare.id, point_id(UUID(int=5), 0)])
    assert list(found) == [point(1).id]
    np.testing.assert_allclose(found[point(1).id], EMBEDDER.vectors(["a"])[0], atol=1e-6)
    assert await index.vectors([]) == {}


async def test_the_sweep_takes_what_is_expired_or_buried_for_long_enough(index: Index) -> None:
    now, grace = START + 1000, 100
    await put(
        index,
        [
            point(0),
            point(1, expires_at=now - grace),
            point(2, expires_at=now - grace + 1),
            point(3, mark="deleted", purge_at=now, passages=0),
            point(4, mark="gone", purge_at=now + 1, passages=0),
            point(5, mark="live", purge_at=now - 1),
        ],
    )
    assert await index.purge(now, grace) == 2
    assert await index.purge(now, grace) == 0
    points = await index.points([ref(number).document for number in range(6)])
    assert [bool(points[ref(number).document]) for number in range(6)] == [True, False, True, False, True, True]
