"""Reading the index: scans of everything that is there, searches, filters, the sweep; damaged points are read, never tripped over."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from qdrant_client import models

from syncline_contracts.errors import InvalidFilter
from syncline_contracts.identity import SEGMENTS, Ref, point_id
from syncline_contracts.revision import NEVER
from syncline_store.index import request
from syncline_store.index.changes import Removal, Upsert
from syncline_store.index.guard import Below, Plain
from syncline_store.index.index import Index
from syncline_store.index.points import Field, Mark, Point
from syncline_store.index.scan import MARKS, IndexPoints, document_of
from syncline_store.index.state import NO_REVISION
from tests.parts.clock import START
from tests.parts.embedders import HashEmbedder
from tests.parts.world import open_index, open_world

EMBEDDER = HashEmbedder(8)


@pytest.fixture(params=["by id", "by filter"])
async def index(request: pytest.FixtureRequest) -> AsyncIterator[Index]:
    opened = await open_index(EMBEDDER, by_filter=request.param == "by filter")
    yield opened
    await opened.aclose()


def ref(number: int) -> Ref:
    return Ref("acme", ("notes", "x\x01y"), f"n{number}")


def point(number: int, passage: int = 0, *, text: str = "t", **changed: Any) -> Point:
    owner = ref(number)
    payload: dict[str, Any] = {
        "document": str(owner.document),
        "tenant": owner.tenant,
        "namespaces": ["notes\x01", "notes\x01x\x02\x04y\x01"],
        "key": owner.key,
        "revision": START + number,
        "content_hash": f"{number:032x}",
        "text_hash": "t",
        "model": EMBEDDER.model,
        "passage": passage,
        "passages": 1,
        "span": [0, 1],
        "segment": number % SEGMENTS,
        "slice": owner.slice,
        "expires_at": NEVER,
        "mark": "live",
        "fields": {"n": number, "list": [number, "x"]},
        **changed,
    }
    return Point(point_id(owner.document, passage), owner.document, EMBEDDER.vectors([text])[0], payload)


async def put(index: Index, points: Sequence[Point]) -> None:
    await index.upsert([Upsert(points, Below(1))])


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
    await index._client.call(lambda qdrant: qdrant.upsert("syncline", [request.as_point(damaged), request.as_point(bare)]))
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
    nonsense = models.Filter(min_should=models.MinShould(conditions=[], min_count=0))
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


async def test_the_local_directory_of_passages_is_found_again_when_the_folder_is_opened(tmp_path: Path) -> None:
    first = await Index.open(f"path:{tmp_path}", collection="syncline", embedder=EMBEDDER)
    await put(first, [point(1, passage) for passage in range(3)] + [point(2)])
    await first.aclose()
    second = await Index.open(f"path:{tmp_path}", collection="syncline", embedder=EMBEDDER)
    points = await second.points([ref(1).document, ref(2).document, ref(3).document])
    assert [[each.passage for each in found] for found in points.values()] == [[0, 1, 2], [0], []]
    await second.remove([Removal(ref(1).document, 2, START + 9)])
    assert [each.passage for each in (await second.points([ref(1).document]))[ref(1).document]] == [0, 1]
    await second.aclose()


async def test_what_is_written_is_plain_json(tmp_path: Path) -> None:
    """No enums of ours inside: the folder is read by whoever opens it with qdrant-client."""
    async with open_world() as world:
        await world.surface(write := world.write(1, "a", 2, fields={"n": 1}))
        await world.handle(write)
        await world.surface(deletion := world.write(2, deleted=True))
        records, _ = await world.index._client.call(lambda qdrant: qdrant.scroll("syncline", with_payload=True))
        await world.handle(deletion)
        more, _ = await world.index._client.call(lambda qdrant: qdrant.scroll("syncline", with_payload=True))
    for record in [*records, *more]:
        assert {type(name) for name in record.payload or {}} == {str}
        assert {type(value) for value in (record.payload or {}).values()} <= {str, int, list, dict}
        assert set(record.payload or {}) <= set(Field)


def test_upserts_are_cut_into_requests_by_points_and_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [point(number) for number in range(10)]
    operations = [Upsert(points[:6], Plain(1, 1)), Upsert(points[6:], Plain(2, 2))]
    cut = list(request.pieces(operations, 4))
    assert [[len(operation.points) for operation in piece] for piece in cut] == [[4], [2, 2], [2]]
    assert [each.id for piece in cut for operation in piece for each in operation.points] == [each.id for each in points]
    assert [operation.guard for operation in cut[1]] == [Plain(1, 1), Plain(2, 2)]
    monkeypatch.setattr(request, "MAX_BYTES", 1)
    assert [len(piece) for piece in request.pieces(operations)] == [1] * 10
    assert list(request.pieces([])) == []
