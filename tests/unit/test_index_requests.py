"""What a Qdrant server is really sent: recorded by a server that answers nothing but yes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from syncline_contracts.errors import ConfigurationError, DocumentRefused, IndexMismatch
from syncline_contracts.identity import Ref, point_id
from syncline_store.index.changes import Refresh, Removal, Upsert
from syncline_store.index.client import Client
from syncline_store.index.guard import Plain
from syncline_store.index.index import Index
from syncline_store.index.points import Point
from syncline_store.index.request import as_json
from tests.parts.embedders import HashEmbedder

REF = Ref("acme", ("notes",), "n1")
VECTOR = np.array([0.5, 0.25], np.float32)


class Recorder:
    """Speaks just enough HTTP: keeps each request, and says that all went well."""

    def __init__(self) -> None:
        self.url = ""
        self.absent = False
        """No collection is ever there."""
        self.requests: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {"/aliases": {"aliases": []}}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        length = next((int(line.split(":")[1]) for line in head.lower().splitlines() if line.startswith("content-length")), 0)
        body = await reader.readexactly(length)
        self.requests.append((f"{method} {path}", json.loads(body) if body else None))
        usual = {"operation_id": 1, "status": "completed"} if "/index" in path else True
        answer = {"result": self.answers.get(path.partition("?")[0], usual), "status": "ok", "time": 0.0}
        result = json.dumps(answer if path != "/" else self.answers["/"]).encode()
        status = b"404 Not Found" if self.absent and method == "GET" and path.startswith("/collections/") else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\nconnection: close\r\n")
        writer.write(f"content-length: {len(result)}\r\n\r\n".encode() + result)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def recorded() -> AsyncIterator[tuple[Recorder, Index]]:
    recorder = Recorder()
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    async with server:
        recorder.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        index = Index(await Client.open(recorder.url), "syncline", "m", 2)
        yield recorder, index
        await index.aclose()


def _point(passage: int, *, vector: bool = True) -> Point:
    return Point(point_id(REF.document, passage), REF.document, VECTOR if vector else None, {"passage": passage, "revision": 7})


async def test_an_upsert_carries_its_guard_and_waits_until_it_is_durable() -> None:
    async with recorded() as (recorder, index):
        recorder.answers["/collections/syncline/points/batch"] = []
        await index.upsert([Upsert([_point(0), _point(1, vector=False)], Plain(7, 9))])
    ((request, body),) = recorder.requests
    assert request == "POST /collections/syncline/points/batch?wait=true"
    (operation,) = body["operations"]
    sent = operation["upsert"]
    assert sent["points"] == [
        {"id": point_id(REF.document, 0), "vector": {"dense": [0.5, 0.25]}, "payload": {"passage": 0, "revision": 7}},
        {"id": point_id(REF.document, 1), "vector": {}, "payload": {"passage": 1, "revision": 7}},
    ]
    lower, unreadable, earlier, gone = sent["update_filter"]["should"]
    assert lower == {"key": "revision", "range": {"lt": 7.0}}
    assert unreadable == {"must_not": [{"key": "revision", "range": {"gte": 0.0}}]}
    assert earlier["must"][1:] == [{"key": "mark", "match": {"value": "live"}}, {"key": "expires_at", "range": {"lt": 9.0}}]
    assert gone["must"] == [{"key": "revision", "match": {"value": 7}}, {"key": "mark", "match": {"value": "gone"}}]


def test_a_vector_arrives_as_the_same_float32() -> None:
    vector = np.random.default_rng(7).normal(size=512).astype(np.float32)
    body = json.loads(as_json([Upsert([Point("p", REF.document, vector, {})], Plain(7, 9))]))
    sent = body["operations"][0]["upsert"]["points"][0]["vector"]["dense"]
    assert np.array_equal(np.array(sent, np.float32), vector)


def test_what_json_does_not_have_is_refused_with_its_reason() -> None:
    """A row that was not written by the store: its documents' numbers have 64 bits."""
    point = Point("p", REF.document, VECTOR, {"fields": {"n": 1 << 64}})
    with pytest.raises(DocumentRefused, match="64-bit"):
        as_json([Upsert([point], Plain(7, 9))])


async def test_refreshes_and_removals_of_many_documents_share_a_request() -> None:
    async with recorded() as (recorder, index):
        recorder.answers["/collections/syncline/points/batch"] = []
        await index.refresh([Refresh(REF.document, 7, 9, "hash", {"revision": 7})] * 3)
        await index.remove([Removal(REF.document, 1, 7, ((7, 9),))] * 3)
    (first, refresh), (second, removal) = recorder.requests
    assert first == second == "POST /collections/syncline/points/batch?wait=true"
    assert len(refresh["operations"]) == len(removal["operations"]) == 3
    change = refresh["operations"][0]["set_payload"]
    assert change["payload"] == {"revision": 7}
    document, text, vector, lower = change["filter"]["must"]
    assert document == {"key": "document", "match": {"value": str(REF.document)}}
    assert (text, vector) == ({"key": "text_hash", "match": {"value": "hash"}}, {"has_vector": "dense"})
    assert len(lower["should"]) == 2
    deleted = removal["operations"][0]["delete"]["filter"]["must"]
    assert deleted[:2] == [document, {"key": "passage", "range": {"gte": 1.0}}]
    assert len(deleted[2]["should"]) == 3


async def test_points_are_read_with_one_scroll_for_all_documents_and_page_by_page() -> None:
    async with recorded() as (recorder, index):
        payload = {"document": str(REF.document), "passage": 0, "revision": 7, "mark": "live", "expires_at": 9}
        points = [{"id": point_id(REF.document, 0), "payload": payload}]
        recorder.answers["/collections/syncline/points/scroll"] = {"points": points, "next_page_offset": None}
        found = await index.points([REF.document, Ref("acme", ("notes",), "n2").document])
    ((request, body),) = recorder.requests
    assert request == "POST /collections/syncline/points/scroll"
    (match,) = body["filter"]["must"]
    assert match["key"] == "document"
    assert len(match["match"]["any"]) == 2
    assert [point.version for point in found[REF.document]] == [(7, 9)]
    assert [len(points) for points in found.values()] == [1, 0]


@pytest.mark.parametrize("version", ["1.15.3", "0.11.0", "1.9.0-dev"])
async def test_a_server_that_would_ignore_the_guards_is_refused(version: str) -> None:
    async with recorded() as (recorder, _):
        recorder.answers["/"] = {"title": "qdrant", "version": version}
        with pytest.raises(ConfigurationError, match=r"1\.16"):
            await Index.open(recorder.url, collection="syncline", embedder=HashEmbedder())
    assert [request for request, _ in recorder.requests] == ["GET /"], "and nothing was written"


async def test_a_new_collection_has_its_payload_indexes_before_the_first_upsert() -> None:
    """And another model's collection can take its place, since what is asked for is an alias."""
    async with recorded() as (recorder, _):
        recorder.answers["/"] = {"title": "qdrant", "version": "1.17.0"}
        recorder.absent = True
        with pytest.raises(IndexMismatch, match="removed"):
            await Index.open(recorder.url, collection="syncline", embedder=HashEmbedder())
    made = {request.partition("?")[0]: body for request, body in recorder.requests if body is not None}
    behind = "syncline--test-hash-16-16"
    assert made[f"PUT /collections/{behind}"]["vectors"] == {"dense": {"size": 16, "distance": "Cosine"}}
    indexed = {
        body["field_name"]: body["field_schema"]
        for request, body in recorder.requests
        if request.startswith(f"PUT /collections/{behind}/index")
    }
    assert indexed["tenant"]["is_tenant"] is True
    assert set(indexed) == {
        "tenant", "document", "namespaces", "mark", "revision", "expires_at", "purge_at", "passage", "segment"
    }  # fmt: skip
    (alias,) = made["POST /collections/aliases"]["actions"]
    assert alias["create_alias"] == {"collection_name": behind, "alias_name": "syncline"}
