"""What the index's suite runs on: qdrant-client's local mode, in memory and in a folder, and a server by URL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from syncline_store.embedding.protocol import Embedder
from syncline_store.index.index import Index
from tests.parts.servers.qdrant_grpc import grpc_port
from tests.parts.world import in_memory, on_server, open_index

PLACES = ["memory", "memory by filter", "folder", "server", "server by gRPC"]
"""By filter: the write path of a server, evaluated by local mode, where breakages of it can be seen without any server."""


@asynccontextmanager
async def open_place(request: pytest.FixtureRequest, place: str, folder: Path, embedder: Embedder) -> AsyncIterator[Index]:
    """An empty index there."""
    if place == "server":
        async with on_server(embedder, request.getfixturevalue("qdrant").url) as index:
            yield index
    elif place == "server by gRPC":
        url = request.getfixturevalue("qdrant").url
        async with grpc_port(url) as (port, _), on_server(embedder, url, grpc_port=port) as index:
            yield index
    elif place == "folder":
        index = await open_index(embedder, url=f"path:{folder}")
        yield index
        await index.aclose()
    else:
        async with in_memory(embedder, by_filter=place == "memory by filter") as index:
            yield index
