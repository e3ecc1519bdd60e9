"""Qdrant's local mode alone: its directory of passages; what is written, and in which pieces."""

from pathlib import Path

import pytest

from syncline_store.index import request
from syncline_store.index.changes import Removal, Upsert
from syncline_store.index.guard import Plain
from syncline_store.index.index import Index
from syncline_store.index.points import Field
from tests.parts.clock import START
from tests.parts.points import EMBEDDER, point, put, ref
from tests.parts.world import open_world


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
