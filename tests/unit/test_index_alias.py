"""An index stays with its model's collection, whichever the alias points to; the alias turns in one step and remembers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from syncline_contracts.errors import IndexMismatch
from syncline_store.index.collection import collection_of
from syncline_store.index.index import Index
from tests.parts.embedders import HashEmbedder
from tests.parts.servers.qdrant import QdrantServer

FIRST, SECOND = HashEmbedder(16), HashEmbedder(8)
ONE, TWO = "test/hash-16", "test/hash-8"


@pytest.fixture(params=["local", "server"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "local":
        yield f"path:{tmp_path / 'index'}"
    else:
        server: QdrantServer = request.getfixturevalue("qdrant")
        yield server.url


@pytest.fixture
def name(tmp_path: Path) -> str:
    return f"alias-{tmp_path.name}"


async def opened(url: str, name: str, embedder: HashEmbedder = FIRST) -> Index:
    return await Index.open(url, collection=name, embedder=embedder)


async def told(index: Index) -> list[tuple[str | None, bool, str | None]]:
    return [(each.model, each.serves, each.before) for each in await index.collections()]


async def close(url: str, name: str, *indexes: Index) -> None:
    """The indexes, and what they made on a server."""
    made = [each.collection for index in indexes[-1:] for each in await index.collections()]
    for collection in made if "://" in url else []:
        await indexes[-1].drop(collection)
    for index in indexes:
        await index.aclose()


async def test_a_model_finds_its_own_collection_before_and_after_the_switch(url: str, name: str) -> None:
    index = await opened(url, name)
    second = await index.beside(SECOND)
    assert index.collection != second.collection
    assert await told(index) == [(ONE, True, None), (TWO, False, None)]
    await index.turn(second.collection, remember=True)
    assert await index.serving() == second.collection
    assert await told(index) == [(TWO, True, index.collection), (ONE, False, None)]
    assert (await index.count(), await second.count()) == (0, 0), "each goes on with its own"
    await index.aclose()
    for embedder in (FIRST, SECOND):
        again = await opened(url, name, embedder)
        assert (again.collection, again.dimensions) == (collection_of(name, embedder.model, embedder.dimensions), embedder.dimensions)
        await again.aclose()
    last = await opened(url, name, SECOND)
    await last.turn(index.collection, remember=False)
    assert await told(last) == [(ONE, True, None), (TWO, False, index.collection)]
    await close(url, name, last)


async def test_a_third_model_is_refused_and_a_dropped_one_too(url: str, name: str) -> None:
    index = await opened(url, name)
    second = await index.beside(SECOND)
    await index.turn(second.collection, remember=True)
    await index.drop(index.collection)
    await index.aclose()
    for embedder in (FIRST, HashEmbedder(4)):
        with pytest.raises(IndexMismatch, match="reindex"):
            await opened(url, name, embedder)
    await close(url, name, await opened(url, name, SECOND))


async def test_both_have_their_payload_indexes(qdrant: QdrantServer, name: str) -> None:
    index = await opened(qdrant.url, name)
    second = await index.beside(SECOND)
    client = AsyncQdrantClient(url=qdrant.url, check_compatibility=False)
    schemas: list[Any] = [set((await client.get_collection(each.collection)).payload_schema) for each in (index, second)]
    assert schemas[0] == schemas[1] != set()
    await client.close()
    await close(qdrant.url, name, index)


def test_long_names_are_cut_and_stay_apart() -> None:
    long = "a-provider/an-embedding-model-with-a-long-name"
    assert collection_of("c", "test/hash-16", 16) == "c--test-hash-16-16"
    assert collection_of("c", f"{long}+one", 8) != collection_of("c", f"{long}+two", 8)
    assert len(collection_of("c", long * 5, 8)) < 100
