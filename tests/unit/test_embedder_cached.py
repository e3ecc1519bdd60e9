"""Queries that come again are not embedded again; the memory for it is bounded."""

import numpy as np
import pytest

from syncline_contracts.errors import EmbedderUnavailable
from syncline_store.embedding.cached import CachedEmbedder
from syncline_store.testing import WordEmbedder, open_test_store
from tests.parts.embedders import HashEmbedder


class Counting(HashEmbedder):
    def __init__(self) -> None:
        super().__init__()
        self.queries: list[str] = []
        self.out = False

    async def embed_query(self, text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        self.queries.append(text)
        if self.out:
            raise EmbedderUnavailable("out")
        return await super().embed_query(text)


async def ask(cached: CachedEmbedder, *texts: str) -> None:
    for text in texts:
        np.testing.assert_array_equal(await cached.embed_query(text), HashEmbedder().vectors([text])[0])


async def test_the_queries_asked_for_last_are_remembered() -> None:
    embedder = Counting()
    cached = CachedEmbedder(embedder, 2)
    await ask(cached, "a", "b", "a", "c", "a", "b")
    assert embedder.queries == ["a", "b", "c", "b"], "b was asked for longest ago when c came"
    assert (cached.hits, cached.misses) == (2, 4)
    assert len(cached._vectors) == 2


async def test_none_are_remembered_where_the_size_is_0() -> None:
    embedder = Counting()
    await ask(CachedEmbedder(embedder, 0), "a", "a")
    assert embedder.queries == ["a", "a"]


async def test_a_failure_is_not_remembered() -> None:
    embedder = Counting()
    cached = CachedEmbedder(embedder, 2)
    embedder.out = True
    with pytest.raises(EmbedderUnavailable):
        await cached.embed_query("a")
    embedder.out = False
    await ask(cached, "a", "a")
    assert embedder.queries == ["a", "a"]


async def test_what_is_shared_cannot_be_changed() -> None:
    vector = await CachedEmbedder(HashEmbedder(), 2).embed_query("a")
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 5


async def test_a_store_s_searches_share_one_and_its_size_is_a_setting() -> None:
    class CountingWords(WordEmbedder):
        queries = 0

        async def embed_query(self, text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
            self.queries += 1
            return await super().embed_query(text)

    for size, embedded in ((10, 1), (0, 3)):
        embedder = CountingWords()
        async with open_test_store(embedder=embedder, embedding={"query_cache": size}) as store:
            acme = store.tenant("acme")
            await acme.put(("notes",), "n1", {"text": "a cat"})
            assert [len(await acme.search(query="cat")) for _ in range(3)] == [1, 1, 1]
            assert embedder.queries == embedded
            assert store._searching().embedder.hits == 3 - embedded
