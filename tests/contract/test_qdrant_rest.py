"""The server that index tests stand on answers as Qdrant does, or refuses; whichever it is (tests/parts/servers/qdrant.py)."""

import uuid
from collections.abc import Iterator

import httpx
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.parts.servers.qdrant import QdrantProcess, QdrantServer

A, B, C = (str(uuid.UUID(int=number)) for number in (1, 2, 3))


@pytest.fixture
def name(qdrant: QdrantServer) -> str:
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def raw(qdrant: QdrantServer, name: str) -> Iterator[QdrantClient]:
    """A client, and a collection of three points; C has no vector."""
    client = QdrantClient(url=qdrant.url, check_compatibility=False)
    fill(client, name)
    yield client
    client.delete_collection(name)
    client.close()


def fill(client: QdrantClient, name: str) -> None:
    vectors = {"dense": models.VectorParams(size=2, distance=models.Distance.COSINE)}
    client.create_collection(name, vectors_config=vectors, metadata={"model": "m"})
    client.create_payload_index(name, "kind", models.PayloadSchemaType.KEYWORD)
    points = [(A, {"dense": [1.0, 0.0]}, "x"), (B, {"dense": [0.0, 1.0]}, "y"), (C, {}, "y")]
    client.upsert(name, [models.PointStruct(id=point, vector=vector, payload={"kind": kind, "n": 1}) for point, vector, kind in points])


def of_kind(kind: str) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key="kind", match=models.MatchValue(value=kind))])


def payloads(client: QdrantClient, name: str) -> dict[str, object]:
    return {str(record.id): record.payload for record in client.scroll(name)[0]}


def test_a_point_without_a_vector_is_kept_and_never_found_by_one(raw: QdrantClient, name: str) -> None:
    assert [hit.id for hit in raw.query_points(name, query=[1.0, 0.1], using="dense").points] == [A, B]
    raw.upsert(name, [models.PointStruct(id=A, vector={}, payload={"kind": "z"})])
    assert [hit.id for hit in raw.query_points(name, query=[1.0, 0.1], using="dense").points] == [B]
    assert payloads(raw, name)[A] == {"kind": "z"}


def test_changes_by_filter_obey_it(raw: QdrantClient, name: str) -> None:
    raw.set_payload(name, {"n": 2}, points=of_kind("y"))
    assert {point: payload["n"] for point, payload in payloads(raw, name).items()} == {A: 1, B: 2, C: 2}  # type: ignore[index]  # dicts
    raw.overwrite_payload(name, {"kind": "w"}, points=[B])
    raw.delete_payload(name, ["n"], points=[C])
    assert payloads(raw, name) == {A: {"kind": "x", "n": 1}, B: {"kind": "w"}, C: {"kind": "y"}}
    raw.delete(name, points_selector=models.FilterSelector(filter=of_kind("w")))
    assert set(payloads(raw, name)) == {A, C}


def test_a_guarded_upsert_inserts_what_is_absent_and_replaces_what_the_filter_selects(raw: QdrantClient, name: str) -> None:
    points = [models.PointStruct(id=point, vector={}, payload={"kind": "new"}) for point in (A, B, str(uuid.UUID(int=9)))]
    raw.upsert(name, points, update_filter=of_kind("x"))
    assert sorted(str(payload["kind"]) for payload in payloads(raw, name).values()) == ["new", "new", "y", "y"]  # type: ignore[index]  # dicts


def test_pages_counts_and_facets(raw: QdrantClient, name: str) -> None:
    first, after = raw.scroll(name, limit=2)
    rest, end = raw.scroll(name, limit=2, offset=after)
    assert ([point.id for point in first + rest], after, end) == ([A, B, C], C, None)
    assert raw.count(name, of_kind("y")).count == 2
    assert {hit.value: hit.count for hit in raw.facet(name, "kind", exact=True).hits} == {"x": 1, "y": 2}
    assert [record.vector for record in raw.retrieve(name, [A, C], with_vectors=True)] == [{"dense": [1.0, 0.0]}, {}]


def test_collections_aliases_and_what_is_said_of_them(raw: QdrantClient, name: str) -> None:
    alias = f"{name}-alias"
    raw.update_collection_aliases([models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))])
    assert raw.count(alias).count == 3
    assert [each.alias_name for each in raw.get_collection_aliases(name).aliases] == [alias]
    info = raw.get_collection(alias)
    assert (info.points_count, info.config.metadata, list(info.payload_schema)) == (3, {"model": "m"}, ["kind"])
    with pytest.raises(UnexpectedResponse) as refused:
        raw.create_collection(name, vectors_config={})
    assert refused.value.status_code == 409
    raw.update_collection_aliases([models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))])
    with pytest.raises(UnexpectedResponse) as absent:
        raw.count(alias)
    assert absent.value.status_code == 404
    assert name in {each.name for each in raw.get_collections().collections}


def test_what_is_wrong_in_a_batch_is_refused_and_what_came_before_it_stays(raw: QdrantClient, name: str) -> None:
    good = models.SetPayloadOperation(set_payload=models.SetPayload(payload={"n": 7}, points=[A]))
    wrong = models.PointStruct(id=B, vector={"dense": [1.0, 2.0, 3.0]}, payload={})
    with pytest.raises(UnexpectedResponse) as refused:
        raw.batch_update_points(name, [good, models.UpsertOperation(upsert=models.PointsList(points=[wrong]))])
    assert refused.value.status_code == 400
    assert payloads(raw, name) == {A: {"kind": "x", "n": 7}, B: {"kind": "y", "n": 1}, C: {"kind": "y", "n": 1}}


def test_the_stand_in_refuses_what_it_does_not_understand(own_qdrant: QdrantProcess) -> None:
    """A filter that was understood in part would select what it must not."""
    client = QdrantClient(url=own_qdrant.url, check_compatibility=False)
    fill(client, "c")
    client.close()
    for path, body in [
        ("scroll", {"filter": {"mustn't": []}}),
        ("scroll", {"filter": {"must": [{"key": "n", "geo_radius": {}}]}}),
        ("scroll", {"filter": {"must": [{"key": "n", "match": {"text": "x"}}]}}),
        ("scroll", {"order_by": "n"}),
        ("query", {"query": {"fusion": "rrf"}}),
        ("count", {"filter": {"must": [{"key": "n", "range": {"above": 1}}]}}),
        ("batch", {"operations": [{"explode": {}}]}),
        ("delete", {}),
    ]:
        assert httpx.post(f"{own_qdrant.url}/collections/c/points/{path}", json=body).status_code == 400, (path, body)


def test_the_stand_in_finds_it_all_again_after_its_death(own_qdrant: QdrantProcess) -> None:
    client = QdrantClient(url=own_qdrant.url, check_compatibility=False)
    fill(client, "c")
    alias = models.CreateAlias(collection_name="c", alias_name="a")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    before = payloads(client, "a"), client.get_collection("a")
    backup = own_qdrant.backup()
    client.delete(collection_name="a", points_selector=[A])
    own_qdrant.kill()
    own_qdrant.start()
    assert set(payloads(client, "a")) == {B, C}
    own_qdrant.restore(backup)
    assert (payloads(client, "a"), client.get_collection("a")) == before
    client.close()
