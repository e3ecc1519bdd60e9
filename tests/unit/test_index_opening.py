"""Opening an index: what it is built with is kept and checked, one process holds a folder, errors say what to do."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from syncline_contracts.errors import ConfigurationError, DocumentRefused, IndexLocked, IndexMismatch, IndexUnavailable, SynclineError
from syncline_store.index.errors import translate
from syncline_store.index.index import Index
from tests.parts.embedders import HashEmbedder


async def open_at(folder: Path, embedder: HashEmbedder | None = None, collection: str = "syncline") -> Index:
    return await Index.open(f"path:{folder}", collection=collection, embedder=embedder or HashEmbedder())


def written(folder: Path) -> dict[str, Any]:
    """What the folder says that is in it."""
    meta: dict[str, Any] = json.loads((folder / "meta.json").read_text())
    return meta


async def test_the_same_embedder_finds_its_collection_again(tmp_path: Path) -> None:
    first = await open_at(tmp_path)
    assert first.local
    await first.aclose()
    second = await open_at(tmp_path)
    assert (second.model, second.dimensions, await second.count()) == ("test/hash-16", 16, 0)
    await second.aclose()


@pytest.mark.parametrize(
    "other",
    [HashEmbedder(8), HashEmbedder(16, model="test/other"), HashEmbedder(8, model="test/hash-16")],
    ids=["both", "model", "dimensions"],
)
async def test_another_embedder_is_refused_before_anything_is_written(tmp_path: Path, other: HashEmbedder) -> None:
    await (await open_at(tmp_path)).aclose()
    before = written(tmp_path)
    with pytest.raises(IndexMismatch, match=r"test/hash-16.*16 dimensions.*collection"):
        await open_at(tmp_path, other)
    assert written(tmp_path) == before
    await (await open_at(tmp_path)).aclose()


async def test_two_models_live_side_by_side_in_two_collections(tmp_path: Path) -> None:
    await (await open_at(tmp_path)).aclose()
    await (await open_at(tmp_path, HashEmbedder(8), "other")).aclose()
    assert set(written(tmp_path)["aliases"]) == {"syncline", "other"}


async def test_a_collection_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    client = AsyncQdrantClient(path=str(tmp_path))
    await client.create_collection("syncline", vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    await client.close()
    with pytest.raises(IndexMismatch, match="not Syncline's"):
        await open_at(tmp_path)


async def test_a_folder_is_one_processs(tmp_path: Path) -> None:
    index = await open_at(tmp_path)
    with pytest.raises(IndexLocked, match="another process"):
        await open_at(tmp_path)
    await index.aclose()
    await (await open_at(tmp_path)).aclose()


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(IndexUnavailable, match="rights and space"):
        await open_at(tmp_path / "file" / "index")


async def test_closing_twice_does_nothing_and_a_closed_index_is_unavailable(tmp_path: Path) -> None:
    index = await open_at(tmp_path)
    await index.aclose()
    await index.aclose()
    with pytest.raises(IndexUnavailable, match="closed"):
        await index.count()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(IndexUnavailable, match="does not answer"):
        await Index.open("http://127.0.0.1:9", collection="syncline", embedder=HashEmbedder())


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (500, {}, IndexUnavailable),
        (503, {}, IndexUnavailable),
        (429, {"retry-after": "7"}, IndexUnavailable),
        (429, {}, IndexUnavailable),
        (401, {}, ConfigurationError),
        (403, {}, ConfigurationError),
        (400, {}, DocumentRefused),
    ],
)
async def test_what_a_server_answers_comes_out_translated(status: int, headers: dict[str, str], expected: type[SynclineError]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} No\r\n{more}content-length: 2\r\nconnection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(expected) as raised:
            await Index.open(f"http://127.0.0.1:{port}", collection="syncline", embedder=HashEmbedder())
    if headers:
        assert getattr(raised.value, "retry_after", None) == 7.0


def _answer(status: int) -> UnexpectedResponse:
    return UnexpectedResponse(status, "", b"", httpx.Headers())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_answer(404), IndexUnavailable),
        (_answer(408), IndexUnavailable),
        (_answer(413), DocumentRefused),
        (ResponseHandlingException(TimeoutError()), IndexUnavailable),
        (ResourceExhaustedResponse("slow down", 3), IndexUnavailable),
        (ValueError("Wrong input: a vector"), DocumentRefused),
        (ValueError("Collection x not found"), IndexUnavailable),
        (OSError(28, "No space left on device"), IndexUnavailable),
        (IndexLocked("as it is"), IndexLocked),
    ],
)
def test_translate(error: Exception, expected: type[SynclineError]) -> None:
    assert type(translate(error, "here")) is expected
