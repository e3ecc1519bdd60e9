"""What the store that Syncline follows got wrong, where no other suite of an app's view looks: docs/forerunner.md lists all of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pytest

from syncline_contracts.errors import InvalidFilter
from syncline_contracts.identity import Ref, point_id
from syncline_contracts.revision import Clock, now_us
from syncline_store import Applied, Store
from syncline_store.embedding.protocol import Vectors
from syncline_store.testing import WordEmbedder, open_test_store
from tests.parts.clock import ManualClock
from tests.parts.servers import cql
from tests.parts.world import a_collection

NOTES = ("notes",)
GRACE = 8 * 24 * 3600


class Open(Protocol):
    def __call__(self, **settings: Any) -> AbstractAsyncContextManager[Store]: ...


@pytest.fixture(params=["sqlite file", "sqlite memory", "cql", "index by URL"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a store, once."""
    if request.param == "index by URL":
        async with a_collection(request.getfixturevalue("qdrant").url) as at_server:
            yield lambda **settings: open_test_store(**{"indexing": "inline", **at_server, **settings})
    elif request.param == "cql":
        engine = await cql.open_engine(tmp_path, Clock())
        yield lambda **settings: open_test_store(**{"engine": engine, **settings})
    else:
        url = f"sqlite:///{tmp_path}/documents.db" if request.param == "sqlite file" else "sqlite:///:memory:"
        yield lambda **settings: open_test_store(**{"store": url, **settings})


async def vectors_of(store: Store, key: str, passages: int = 3) -> int:
    """How many of a document's points have a vector: more than it ever had are looked for."""
    document = Ref("acme", NOTES, key).document
    index = await store.parts.index()
    return len(await index.vectors([str(point_id(document, passage)) for passage in range(passages)]))


async def test_what_is_deleted_on_condition_leaves_no_vectors(opened: Open) -> None:
    async with opened() as store:
        acme = store.tenant("acme")
        first = await acme.put(NOTES, "by revision", {"text": "the cat"})
        await acme.put(NOTES, "by value", {"text": "the cat"})
        assert [await vectors_of(store, key) for key in ("by revision", "by value")] == [1, 1]
        assert isinstance(await acme.delete_if(NOTES, "by revision", revision=first), Applied)
        assert isinstance(await acme.delete_if(NOTES, "by value", expected={"text": "the cat"}), Applied)
        assert [await vectors_of(store, key) for key in ("by revision", "by value")] == [0, 0]


async def test_what_expired_leaves_no_vectors_once_it_is_swept(opened: Open) -> None:
    time = ManualClock(now_us())
    async with opened(clock=Clock(now=time)) as store:
        acme = store.tenant("acme")
        await acme.put(NOTES, "short", {"text": "the cat"}, ttl=60)
        await acme.put(NOTES, "long", {"text": "the cat"})
        assert [await vectors_of(store, key) for key in ("short", "long")] == [1, 1]
        time.forward(60 + GRACE)
        await store.sweep()
        assert [await vectors_of(store, key) for key in ("short", "long")] == [0, 1]


async def test_what_is_kept_out_of_the_index_loses_the_vectors_that_it_had(opened: Open) -> None:
    async with opened() as store:
        acme = store.tenant("acme")
        await acme.put(NOTES, "n", {"text": "the cat"})
        assert await vectors_of(store, "n") == 1
        await acme.put(NOTES, "n", {"text": "the cat"}, index=False)
        assert await vectors_of(store, "n") == 0


class TwoWays(WordEmbedder):
    """Remembers which texts it was given as documents and which as queries."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: list[str] = []
        self.queries: list[str] = []

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.documents += texts
        return await super().embed_documents(texts)

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        self.queries.append(text)
        vector: npt.NDArray[np.float32] = (await WordEmbedder().embed_documents([text]))[0]
        return vector


async def test_documents_are_embedded_as_documents_and_queries_as_queries_alone_and_together(opened: Open) -> None:
    embedder = TwoWays()
    async with opened(embedder=embedder) as store:
        acme = store.tenant("acme")
        await acme.put(NOTES, "alone", {"text": "one cat"}, index=["text"])
        await acme.put_many([(NOTES, f"n{n}", {"text": f"cat {n}"}) for n in range(3)])
        texts = {"one cat", "cat 0", "cat 1", "cat 2"}
        assert (set(embedder.documents), embedder.queries) == (texts, [])
        await acme.search(NOTES, query="one")
        await asyncio.gather(*[acme.search(NOTES, query=f"query {n}") for n in range(3)])
        assert sorted(embedder.queries) == ["one", "query 0", "query 1", "query 2"]
        assert set(embedder.documents) == texts


async def test_a_range_matches_nothing_where_the_field_is_missing(opened: Open) -> None:
    async with opened() as store:
        acme = store.tenant("acme")
        await acme.put(NOTES, "with", {"text": "the cat", "n": 1})
        await acme.put(NOTES, "without", {"text": "the cat"})
        await acme.put(NOTES, "null", {"text": "the cat", "n": None})
        for asked in ({"n": {"$lt": 5}}, {"n": {"$gte": -5}}, {"n": {"$lte": 1, "$gt": 0}}):
            assert [found.key for found in (await acme.list(NOTES, filter=asked)).items] == ["with"]
            assert [hit.key for hit in await acme.search(NOTES, filter=asked)] == ["with"]
            assert [hit.key for hit in await acme.search(NOTES, query="the cat", filter=asked)] == ["with"]


@pytest.mark.parametrize("asked", [{"n": {"$near": 1}}, {"$nor": [{"n": 1}]}, {"$or": [{"n": {"$regex": "1"}}]}], ids=str)
async def test_an_unknown_operator_is_refused_however_one_reads(opened: Open, asked: dict[str, Any]) -> None:
    async with opened() as store:
        acme = store.tenant("acme")
        await acme.put(NOTES, "n", {"text": "the cat", "n": 1})
        with pytest.raises(InvalidFilter):
            await acme.list(NOTES, filter=asked)
        with pytest.raises(InvalidFilter):
            await acme.count(NOTES, filter=asked)
        with pytest.raises(InvalidFilter):
            await acme.search(NOTES, filter=asked)
        with pytest.raises(InvalidFilter):
            await acme.search(NOTES, query="the cat", filter=asked)


async def test_a_hundred_clients_at_once_read_what_they_wrote(opened: Open) -> None:
    async with opened() as store:
        acme = store.tenant("acme")

        async def client(number: int) -> tuple[object, list[str]]:
            namespace = ("clients", f"c{number}")
            await acme.put(namespace, "k", {"text": "the cat", "number": number})
            document = await acme.get(namespace, "k")
            hits = await acme.search(namespace, query="the cat")
            return None if document is None else document.value["number"], [hit.namespace[-1] for hit in hits]

        assert await asyncio.gather(*[client(number) for number in range(100)]) == [(n, [f"c{n}"]) for n in range(100)]
