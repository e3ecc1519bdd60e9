"""An index by URL: what it is built with is kept by the server and checked, and what a server does wrong comes out as what to do."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.errors import ConfigurationError, DocumentRefused, IndexMismatch, IndexUnavailable, InvalidFilter
from syncline_contracts.identity import SEGMENTS, Ref, point_id
from syncline_store.index import client, remote
from syncline_store.index.changes import Refresh, Removal, Upsert
from syncline_store.index.guard import Below, Plain
from syncline_store.index.index import Index
from syncline_store.index.points import Point
from tests.parts.clock import START
from tests.parts.embedders import HashEmbedder
from tests.parts.points import EMBEDDER, point, put, ref
from tests.parts.servers.qdrant import QdrantProcess, QdrantServer
from tests.parts.world import drop_collection, on_server


@pytest.fixture
async def name(qdrant: QdrantServer) -> AsyncIterator[str]:
    """A collection's name that nobody else has."""
    chosen = f"test-{uuid.uuid4().hex}"
    yield chosen
    await drop_collection(qdrant.url, chosen)


@pytest.fixture
async def own(own_qdrant: QdrantProcess) -> AsyncIterator[Index]:
    """An index on a server of this test's own."""
    async with on_server(EMBEDDER, own_qdrant.url) as index:
        yield index
        own_qdrant.faults.clear()


async def open_at(url: str, name: str, embedder: HashEmbedder = EMBEDDER) -> Index:
    return await Index.open(url, collection=name, embedder=embedder)


async def test_the_same_embedder_finds_its_collection_again(qdrant: QdrantServer, name: str) -> None:
    first = await open_at(qdrant.url, name)
    assert not first.local
    await put(first, [point(1)])
    await first.aclose()
    second = await open_at(qdrant.url, name)
    assert (second.model, second.dimensions, await second.count()) == (EMBEDDER.model, EMBEDDER.dimensions, 1)
    await second.aclose()


async def test_many_processes_may_make_the_collection_at_once(qdrant: QdrantServer, name: str) -> None:
    opened = await asyncio.gather(*(open_at(qdrant.url, name) for _ in range(6)))
    await put(opened[0], [point(1)])
    assert [await index.count() for index in opened] == [1] * 6
    for index in opened:
        await index.aclose()


@pytest.mark.parametrize(
    "other",
    [HashEmbedder(4), HashEmbedder(8, model="test/other"), HashEmbedder(4, model="test/hash-8")],
    ids=["both", "model", "dimensions"],
)
async def test_another_embedder_is_refused_before_anything_is_written(qdrant: QdrantServer, name: str, other: HashEmbedder) -> None:
    await (await open_at(qdrant.url, name)).aclose()
    raw = AsyncQdrantClient(url=qdrant.url, check_compatibility=False)
    before = await raw.get_collections(), await raw.get_aliases()
    with pytest.raises(IndexMismatch, match=r"test/hash-8.*8 dimensions.*collection"):
        await open_at(qdrant.url, name, other)
    assert (await raw.get_collections(), await raw.get_aliases()) == before
    await raw.close()


async def test_a_collection_that_is_not_ours_is_refused(qdrant: QdrantServer, name: str) -> None:
    raw = AsyncQdrantClient(url=qdrant.url, check_compatibility=False)
    await raw.create_collection(name, vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    with pytest.raises(IndexMismatch, match="not Syncline's"):
        await open_at(qdrant.url, name)
    await raw.delete_collection(name)
    await raw.close()


async def test_the_payload_indexes_are_there(qdrant: QdrantServer, name: str) -> None:
    index = await open_at(qdrant.url, name)
    schema = (await index._client.call(lambda raw: raw.get_collection(name))).payload_schema
    await index.aclose()
    assert {field: str(info.data_type.value) for field, info in schema.items()} == {
        "tenant": "keyword",
        "document": "uuid",
        "namespaces": "keyword",
        "mark": "keyword",
        **dict.fromkeys(("revision", "expires_at", "purge_at", "passage", "segment"), "integer"),
    }


async def test_a_request_of_many_documents_is_cut_and_all_of_it_arrives(qdrant: QdrantServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """More points than one request, one page and one batch of operations carry."""
    monkeypatch.setattr(remote, "PAGE", 100)
    documents = [ref(number).document for number in range(300)]
    async with on_server(EMBEDDER, qdrant.url) as index:
        await put(index, [point(number, passage) for number in range(300) for passage in range(2)])
        assert await index.count() == 600
        found = await index.points(documents)
        assert {tuple(each.passage for each in points) for points in found.values()} == {(0, 1)}
        await index.refresh([Refresh(each, START + 900, 7, "t", {"content_hash": "new"}) for each in documents])
        await index.remove([Removal(each, 1, START + 900) for each in documents])
        found = await index.points(documents)
        assert {tuple(each.content_hash for each in points) for points in found.values()} == {("new",)}


async def test_the_guard_holds_under_concurrent_writers(qdrant: QdrantServer) -> None:
    """Six writers, each with its own revisions of the same points: the highest stays (invariant 3).

    Each writes its highest revision in mid-run, so that what lands last, whoever's it is, is an older one.
    """
    async with on_server(EMBEDDER, qdrant.url) as index:

        async def write(writer: int) -> None:
            for step in (0, 3, 6, 9, 2, 5, 8, 1, 4, 7):
                revision = START + step * 6 + (step * 5 + writer) % 6
                await index.upsert([Upsert([point(number, revision=revision) for number in range(20)], Plain(revision, 1))])

        await asyncio.gather(*(write(writer) for writer in range(6)))
        points = await index.points([ref(number).document for number in range(20)])
        assert {each.revision for found in points.values() for each in found} == {START + 59}
        assert await index.count() == 20


async def test_tenants_and_namespaces_are_apart(qdrant: QdrantServer) -> None:
    def of(tenant: str, prefixes: list[str], key: str) -> Point:
        owner = Ref(tenant, ("n",), key)
        return Point(
            point_id(owner.document, 0),
            owner.document,
            EMBEDDER.vectors(["t"])[0],
            {**point(1).payload, "document": str(owner.document), "tenant": tenant, "namespaces": prefixes, "key": key},
        )

    def where(tenant: str, prefix: str) -> models.Filter:
        wanted = {"tenant": tenant, "namespaces": prefix}
        return models.Filter(must=[models.FieldCondition(key=key, match=models.MatchValue(value=text)) for key, text in wanted.items()])

    async with on_server(EMBEDDER, qdrant.url) as index:
        user, users, deep = ["user\x01"], ["users\x01"], ["user\x01", "user\x01a\x01"]
        await put(index, [of("a", user, "1"), of("a", users, "2"), of("a", deep, "3"), of("b", user, "4")])
        vector = EMBEDDER.vectors(["t"])[0]
        found = [await index.search(vector, where(*asked), 10) for asked in (("a", "user\x01"), ("a", "user\x01a\x01"), ("b", "user\x01"))]
    assert [sorted(hit.ref.key for hit in hits) for hits in found] == [["1", "3"], ["3"], ["4"]]


# ---------------------------------------------------------------------- what a server does wrong


async def test_a_point_that_the_server_refuses_is_the_documents_fault(qdrant: QdrantServer) -> None:
    wrong = Point(point(1).id, ref(1).document, HashEmbedder(4).vectors(["t"])[0], point(1).payload)
    async with on_server(EMBEDDER, qdrant.url) as index:
        with pytest.raises(DocumentRefused, match="dimension"):
            await put(index, [wrong])
        with pytest.raises(InvalidFilter):
            await index.search(HashEmbedder(4).vectors(["t"])[0], models.Filter(), 1)
        assert await index.count() == 0


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection:UserWarning")
@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_is_told_at_once(own_qdrant: QdrantProcess, status: int) -> None:
    own_qdrant.faults.add("status", "/collections", status=status, unless_key="right")
    for key in (None, "wrong"):
        with pytest.raises(ConfigurationError, match="index_api_key"):
            await Index.open(own_qdrant.url, collection="c", embedder=EMBEDDER, api_key=key)
    index = await Index.open(own_qdrant.url, collection="c", embedder=EMBEDDER, api_key="right")
    assert await index.count() == 0
    await index.aclose()


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        ({"kind": "status", "status": 500}, None),
        ({"kind": "status", "status": 503}, None),
        ({"kind": "status", "status": 429}, None),
        ({"kind": "status", "status": 429, "retry_after": "7"}, 7.0),
        ({"kind": "status", "status": 429, "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"kind": "cut"}, None),
        ({"kind": "applied_cut"}, None),
    ],
    ids=str,
)
async def test_whatever_asks_for_it_later_is_unavailable(
    own: Index, own_qdrant: QdrantProcess, fault: dict[str, object], retry_after: float | None
) -> None:
    own_qdrant.faults.add(**fault)  # type: ignore[arg-type]  # names and values as JSON has them
    for ask in (own.count, lambda: put(own, [point(1)]), lambda: own.points([ref(1).document]), lambda: own.purge(1, 1)):
        with pytest.raises(IndexUnavailable) as raised:
            await ask()
        assert raised.value.retry_after == retry_after
    own_qdrant.faults.clear()
    await put(own, [point(1)])
    assert await own.count() == 1


async def test_a_server_that_does_not_answer_is_unavailable_in_time(own_qdrant: QdrantProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 1)
    async with on_server(EMBEDDER, own_qdrant.url) as index:
        own_qdrant.freeze()
        started = time.monotonic()
        with pytest.raises(IndexUnavailable, match="does not answer"):
            await index.count()
        assert time.monotonic() - started < 5
        own_qdrant.thaw()
        await put(index, [point(1)])
        assert await index.count() == 1


async def test_a_request_that_lands_late_is_under_its_guard_still(own_qdrant: QdrantProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gives up, the server does not: what it applies late replaces nothing newer (H15)."""
    monkeypatch.setattr(client, "TIMEOUT", 1)
    async with on_server(EMBEDDER, own_qdrant.url) as index:
        await put(index, [point(1)])
        own_qdrant.faults.add("slow", "points/batch", delay=2.0, count=1)
        late, newer = START + 100, START + 200
        with pytest.raises(IndexUnavailable):
            await index.upsert([Upsert([point(1, revision=late), point(2, revision=late)], Below(late))])
        await index.upsert([Upsert([point(1, revision=newer)], Below(newer))])
        async with asyncio.timeout(10):
            while not (await index.points([ref(2).document]))[ref(2).document]:  # noqa: ASYNC110 - an index tells nobody
                await asyncio.sleep(0.05)
        ((state,),) = (await index.points([ref(1).document])).values()
        assert state.revision == newer


async def test_what_was_acknowledged_survives_the_servers_death(own: Index, own_qdrant: QdrantProcess) -> None:
    await put(own, [point(number) for number in range(50)])
    own_qdrant.kill()
    with pytest.raises(IndexUnavailable, match="does not answer"):
        await own.count()
    own_qdrant.start()
    assert await own.count() == 50
    assert len(await own.search(EMBEDDER.vectors(["t"])[0], models.Filter(), 10)) == 10
    blocks = [len(block) async for block in own.scan(0, SEGMENTS - 1)]
    assert blocks == [50]


async def test_a_collection_that_was_dropped_is_unavailable_and_says_what_to_do(qdrant: QdrantServer, name: str) -> None:
    index = await open_at(qdrant.url, name)
    await drop_collection(qdrant.url, name)
    with pytest.raises(IndexUnavailable, match="repair"):
        await index.count()
    await index.aclose()


async def test_an_opening_that_fails_half_way_is_made_good_by_the_next(own_qdrant: QdrantProcess) -> None:
    """Whichever request of it fails: the collection is whole in the end, with all its indexes, behind its alias."""
    for skip in range(14):
        own_qdrant.faults.add("status", "(PUT|POST) ", skip=skip, count=1)
        for _ in range(2):
            with suppress(IndexUnavailable):
                await (await open_at(own_qdrant.url, f"c{skip}")).aclose()
        own_qdrant.faults.clear()
        raw = AsyncQdrantClient(url=own_qdrant.url, check_compatibility=False)
        assert len((await raw.get_collection(f"c{skip}")).payload_schema) == 9
        await raw.close()
