"""Points over gRPC, everything else over REST: the setting, and what a server's codes mean. The suites of this folder run on it, too.

The port is tests/parts/servers/qdrant_grpc.py's, in front of the server by URL: no real server was ever met over gRPC.
"""

import socket
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from syncline_contracts.errors import ConfigurationError, DocumentRefused, IndexUnavailable, SynclineError
from syncline_store import open_store
from syncline_store.index.client import GRPC_OPTIONS, Client
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.doctor import Level
from syncline_sync_worker.doctor import index as doctor
from tests.parts.points import EMBEDDER, point, put, ref
from tests.parts.servers.process import free_ports
from tests.parts.servers.qdrant import QdrantServer
from tests.parts.servers.qdrant_grpc import grpc_port
from tests.parts.world import drop_collection, on_server

UNAVAILABLE = [
    code for code in grpc.StatusCode if code.name in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "NOT_FOUND"}
]
DENIED = [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED]
MEANINGS: list[tuple[grpc.StatusCode, type[SynclineError]]] = [
    *((code, IndexUnavailable) for code in UNAVAILABLE),
    *((code, ConfigurationError) for code in DENIED),
    (grpc.StatusCode.INVALID_ARGUMENT, DocumentRefused),
]

PATIENCE = {"grpc": 60.0, "rest": 60.0, "nobody": 60.0, "nothing": 0.2}
"""Seconds: what answers is waited for, however slow the machine is."""


async def test_the_port_is_the_clients_own_for_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, object]] = []
    monkeypatch.setattr("syncline_store.index.client.AsyncQdrantClient", lambda **given: made.append(given))
    await Client.open("http://host:6333", "key", 6334)
    rest, bulk = made
    assert "prefer_grpc" not in rest
    assert bulk == {**rest, "prefer_grpc": True, "grpc_port": 6334, "grpc_options": GRPC_OPTIONS}
    made.clear()
    await Client.open("http://host:6333", "key")
    assert made == [rest]


async def test_the_setting_takes_a_document_there_and_back(qdrant: QdrantServer, tmp_path: Path) -> None:
    """A put, an update of the same text, a deletion: read and written over gRPC, searched over REST."""
    name = f"test-{uuid4().hex}"
    async with grpc_port(qdrant.url) as (port, points):
        opening = open_store(
            f"sqlite:///{tmp_path / 'documents.db'}",
            embedder=EMBEDDER,
            index=qdrant.url,
            index_grpc_port=port,
            collection=name,
            indexing="inline",
        )
        async with opening as store:
            notes = store.tenant("acme")
            await notes.put(("notes",), "n", {"text": "river"})
            await notes.put(("notes",), "n", {"text": "river", "stars": 5})
            (hit,) = await notes.search(("notes",), query="river", filter={"stars": 5})
            await notes.delete(("notes",), "n")
            assert not await notes.search(("notes",), query="river")
        assert hit.key == "n"
        assert set(points.asked) == {"Scroll", "UpdateBatch"}
    await drop_collection(qdrant.url, name)


@pytest.mark.parametrize(("code", "meaning"), MEANINGS, ids=lambda value: getattr(value, "name", None))
async def test_what_a_code_means(qdrant: QdrantServer, code: grpc.StatusCode, meaning: type[SynclineError]) -> None:
    async with grpc_port(qdrant.url) as (port, points), on_server(EMBEDDER, qdrant.url, grpc_port=port) as index:
        points.fails = code
        with pytest.raises(meaning):
            await put(index, [point(1)])
        with pytest.raises(meaning):
            await index.points([ref(1).document])
        points.fails = None
        await put(index, [point(1)])


@pytest.mark.parametrize("answers", ["grpc", "rest", "nobody", "nothing"])
async def test_the_doctor_looks_whether_qdrant_answers_on_the_port(
    qdrant: QdrantServer, answers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PORT_WITHIN", PATIENCE[answers])
    async with grpc_port(qdrant.url) as (spoken, _):
        silent = socket.create_server(("127.0.0.1", 0))
        (unused,) = free_ports(1)
        ports = {
            "grpc": spoken,
            "rest": int(qdrant.url.rpartition(":")[2]),
            "nobody": unused,
            "nothing": silent.getsockname()[1],
        }
        given = Configuration(index=qdrant.url, index_grpc_port=ports[answers], collection=f"test-{uuid4().hex}")
        found = {finding.check: finding async for finding in doctor.look(given)}
        silent.close()
    assert f"port {ports[answers]}" in found["grpc"].said
    assert (found["grpc"].level, found["server"].level) == (Level.OK if answers == "grpc" else Level.FAIL, Level.OK)
    assert ("index_grpc_port" in found["grpc"].remedy) == (answers != "grpc")
    assert "collection" in found, "what is wrong with the port hides nothing else"


async def test_the_doctor_says_nothing_of_a_port_that_is_not_set(qdrant: QdrantServer) -> None:
    given = Configuration(index=qdrant.url, collection=f"test-{uuid4().hex}")
    assert "grpc" not in {finding.check async for finding in doctor.look(given)}


async def test_a_port_that_nobody_listens_on_is_an_outage(qdrant: QdrantServer) -> None:
    async with grpc_port(qdrant.url) as (port, _):
        pass
    async with on_server(EMBEDDER, qdrant.url, grpc_port=port) as index:
        with pytest.raises(IndexUnavailable, match="cannot answer now"):
            await index.points([ref(1).document])
