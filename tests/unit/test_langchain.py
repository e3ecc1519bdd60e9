"""LangChain's faces: a vector store and a retriever over a namespace, in async code and in threads."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda

from syncline_contracts.errors import InvalidDocument, InvalidFilter, InvalidQuery
from syncline_store.indexing.catch_up import CatchUp
from syncline_store.langchain import SynclineRetriever, SynclineVectorStore
from syncline_store.store import Store
from syncline_store.sync import open_store
from syncline_store.testing import WordEmbedder, open_test_store

FAKE = DeterministicFakeEmbedding(size=6)
"""Its vectors have no meaning, but a text's own is the nearest to it."""


@pytest.fixture
def vectors() -> Iterator[SynclineVectorStore]:
    made = SynclineVectorStore.from_texts([], FAKE)
    yield made
    made.close()


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_test_store() as store:
        yield store


def doc(text: str, key: str | None = None, **metadata: object) -> Document:
    return Document(id=key, page_content=text, metadata=metadata)


def contents(documents: list[Document]) -> list[str]:
    return [document.page_content for document in documents]


# ---------------------------------------------------------------------- what LangChain asks of every vector store


def test_an_empty_one_finds_nothing_and_deletes_nothing(vectors: SynclineVectorStore) -> None:
    assert vectors.similarity_search("foo", k=1) == []
    assert vectors.max_marginal_relevance_search("foo") == []
    assert vectors.get_by_ids(["1", "2"]) == []
    vectors.delete(["1"])
    vectors.delete([])


def test_documents_come_back_with_the_ids_drawn_for_them_and_are_left_as_they_were(vectors: SynclineVectorStore) -> None:
    given = [doc("foo", id=1), doc("bar", id=2)]
    ids = vectors.add_documents(given)
    assert vectors.similarity_search("bar", k=2) == [doc("bar", ids[1], id=2), doc("foo", ids[0], id=1)]
    assert given == [doc("foo", id=1), doc("bar", id=2)]
    assert vectors.get_by_ids([ids[1], "nothing", ids[0]]) == [doc("bar", ids[1], id=2), doc("foo", ids[0], id=1)]


def test_adding_an_id_again_replaces_what_it_had(vectors: SynclineVectorStore) -> None:
    for _ in range(2):
        assert vectors.add_documents([doc("foo", n=1), doc("bar", n=2)], ids=["1", "2"]) == ["1", "2"]
    assert vectors.add_documents([doc("new foo", n=1, more="x")], ids=["1"]) == ["1"]
    assert vectors.similarity_search("new foo", k=9) == [doc("new foo", "1", n=1, more="x"), doc("bar", "2", n=2)]


def test_a_documents_own_id_counts_unless_ids_are_given(vectors: SynclineVectorStore) -> None:
    first, second = vectors.add_documents([doc("foo", "mine"), doc("bar")])
    assert (first, len(second)) == ("mine", 36)
    assert vectors.add_documents([doc("foo", "mine")], ids=["other"]) == ["other"]


def test_deleting_several_and_all(vectors: SynclineVectorStore) -> None:
    vectors.add_texts(["foo", "bar", "baz"], ids=["1", "2", "3"])
    vectors.delete(["1", "2"])
    assert contents(vectors.similarity_search("foo", k=3)) == ["baz"]
    vectors.delete()
    assert vectors.similarity_search("foo", k=3) == []


async def test_all_of_it_may_be_awaited(vectors: SynclineVectorStore) -> None:
    assert await vectors.aadd_documents([doc("foo", n=1), doc("bar", n=2)], ids=["1", "2"]) == ["1", "2"]
    assert await vectors.aadd_texts(["baz"], [{"n": 3}], ids=["3"]) == ["3"]
    assert contents(await vectors.asimilarity_search("baz", k=1)) == ["baz"]
    ((document, score),) = await vectors.asimilarity_search_with_score("baz", k=1)
    assert (document.id, score) == ("3", pytest.approx(1, abs=1e-3))
    assert contents(await vectors.asimilarity_search_by_vector(FAKE.embed_query("bar"), k=1)) == ["bar"]
    assert len(await vectors.amax_marginal_relevance_search("baz", k=2)) == 2
    assert contents(await vectors.aget_by_ids(["2"])) == ["bar"]
    await vectors.adelete(["2"])
    assert await vectors.aget_by_ids(["2"]) == []
    assert contents(await vectors.as_retriever(search_kwargs={"k": 1}).ainvoke("foo")) == ["foo"]


async def test_from_texts_has_its_async_twin_and_shows_its_embeddings() -> None:
    made = await SynclineVectorStore.afrom_texts(["foo", "bar"], FAKE, [{"n": 1}, {"n": 2}], ids=["1", "2"])
    assert made.embeddings is FAKE
    assert await made.asimilarity_search("bar", k=1) == [doc("bar", "2", n=2)]
    made.close()


# ---------------------------------------------------------------------- ours


async def test_in_async_code_sync_calls_belong_to_other_threads(store: Store) -> None:
    vectors = SynclineVectorStore(store, ("books",), tenant="acme")
    await vectors.aadd_texts(["a cat"], ids=["1"])
    with pytest.raises(asyncio.InvalidStateError):
        vectors.similarity_search("cat")
    assert contents(await asyncio.to_thread(vectors.similarity_search, "cat")) == ["a cat"]


async def test_filters_look_at_the_metadata(store: Store) -> None:
    vectors = SynclineVectorStore(store)
    metadatas = [{"year": year, "key": "k", "tags": ["a", "b"], "author": {"name": "Ann"}} for year in (1990, 2000, 2010)]
    await vectors.aadd_texts(["cat one", "cat two", "cat three"], metadatas)
    for given, count in (
        ({"year": {"$gte": 2000}}, 2),
        ({"year": 1990, "author.name": "Ann", "tags": "b"}, 1),
        ({"$or": [{"year": 1990}, {"$not": {"year": {"$lt": 2010}}}]}, 2),
        ({"key": "k", "page_content": "cat one"}, 0),
        (None, 3),
    ):
        assert len(await vectors.asimilarity_search("cat", filter=given)) == count
    with pytest.raises(InvalidFilter):
        await vectors.asimilarity_search("cat", filter={"year": {"$near": 1}})


async def test_it_holds_one_namespace_of_one_tenant(store: Store) -> None:
    books, below, other = (
        SynclineVectorStore(store, ("books",), tenant="acme"),
        SynclineVectorStore(store, ("books", "old"), tenant="acme"),
        SynclineVectorStore(store, ("books",), tenant="other"),
    )
    await below.aadd_texts([f"cat cat {n}" for n in range(12)])
    await other.aadd_texts(["cat of another"], ids=["1"])
    await books.aadd_texts(["a cat among dogs", "dogs and a cat"], ids=["1", "2"])
    assert {document.id for document in await books.asimilarity_search("cat", k=2)} == {"1", "2"}
    await books.adelete()
    assert await books.asimilarity_search("cat") == []
    assert len(await below.asimilarity_search("cat", k=20)) == 12
    assert contents(await other.aget_by_ids(["1"])) == ["cat of another"]


async def test_retrievers_by_threshold_and_by_difference(store: Store) -> None:
    vectors = SynclineVectorStore(store)
    await vectors.aadd_texts(["red cat", "red cat red", "blue dog", "red bird"])
    retriever = vectors.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.9})
    assert contents(await retriever.ainvoke("red cat")) == ["red cat", "red cat red"]
    assert contents(await vectors.asimilarity_search("red cat", threshold=0.9)) == ["red cat", "red cat red"]
    varied = vectors.as_retriever(search_type="mmr", search_kwargs={"k": 2, "lambda_mult": 0.1})
    assert contents(await varied.ainvoke("red cat"))[0] == "red cat"
    assert "red cat red" not in contents(await varied.ainvoke("red cat"))


async def test_a_mistake_names_what_is_wrong(store: Store) -> None:
    vectors = SynclineVectorStore(store)
    with pytest.raises(ValueError, match="ids"):
        await vectors.aadd_texts(["a", "b"], ids=["1"])
    with pytest.raises(ValueError, match="metadatas"):
        await vectors.aadd_texts(["a"], [])
    with pytest.raises(InvalidDocument, match="metadata"):
        await vectors.aadd_texts(["a"], [{"when": object()}])


async def test_any_documents_can_be_retrieved_passage_and_value(store: Store) -> None:
    acme = store.tenant("acme")
    revision = await acme.put(("notes", "u1"), "n1", {"text": "the cat sat", "kind": "note", "key": "own"})
    await acme.put(("notes", "u1"), "n2", {"text": "the cat ran", "kind": "draft"})
    await acme.put(("other",), "n3", {"text": "the cat"})
    retriever = SynclineRetriever(store, ("notes",), tenant="acme", k=5, filter={"kind": "note"}, threshold=0.1)
    (found,) = await retriever.ainvoke("cat")
    assert found.id == "n1"
    assert "the cat sat" in found.page_content
    assert found.metadata["value"] == {"text": "the cat sat", "kind": "note", "key": "own"}
    assert (found.metadata["namespace"], found.metadata["key"], found.metadata["revision"]) == (("notes", "u1"), "n1", revision)
    chain = retriever | RunnableLambda(contents)
    assert await chain.ainvoke("cat") == [found.page_content]


async def test_a_call_may_ask_for_what_the_retriever_was_not_made_with(store: Store) -> None:
    acme = store.tenant("acme")
    for number in range(3):
        await acme.put(("notes",), f"n{number}", {"text": "the cat sat", "number": number})
    retriever = SynclineRetriever(store, tenant="acme", k=2, filter={"number": {"$lt": 2}}, threshold=0.1)
    assert {document.id for document in await retriever.ainvoke("cat")} == {"n0", "n1"}
    assert len(await retriever.ainvoke("cat", k=1)) == 1
    assert [document.id for document in await retriever.ainvoke("cat", filter={"number": 2})] == ["n2"]
    assert len(await retriever.ainvoke("cat", filter=None, k=9)) == 3
    assert await retriever.ainvoke("cat", threshold=0.99) == []
    with pytest.raises(TypeError, match="limit"):
        await retriever.ainvoke("cat", limit=1)


def test_a_retriever_for_scripts() -> None:
    with open_store("sqlite:///:memory:", index=":memory:", embedder=WordEmbedder()) as store:
        store.tenant("default").put(("notes",), "n1", {"text": "the cat sat"})
        assert [document.id for document in SynclineRetriever(store).invoke("cat")] == ["n1"]
        assert SynclineRetriever(store).invoke("cat", filter={"text": "else"}) == []


async def test_where_workers_index_a_search_waits_for_what_was_added() -> None:
    async with open_test_store(indexing="relay") as store:
        vectors = SynclineVectorStore(store)
        await vectors.aadd_texts(["a cat"], ids=["1"])
        searching = asyncio.create_task(vectors.asimilarity_search("cat"))
        done, _ = await asyncio.wait([searching], timeout=0.2)
        assert not done
        await CatchUp(store.parts.engine, await store.parts.indexer(), clock=store.parts.clock).once()
        assert contents(await searching) == ["a cat"]


async def test_in_a_hybrid_namespace_words_count_but_for_relevance(store: Store) -> None:
    await store.tenant("default").configure(("errors",), hybrid="plain")
    vectors = SynclineVectorStore(store, ("errors",))
    await vectors.aadd_documents([doc("red cat ERR-4711", "one"), doc("red cat", "two")])
    by_rank = await vectors.asimilarity_search_with_score("err-4711")
    assert by_rank[0][0].id == "one"
    cosines = {document.id: score for document, score in await vectors.asimilarity_search_with_score("red cat", mode="dense")}
    assert cosines["two"] == pytest.approx(1.0)
    relevance = {document.id: score for document, score in await vectors.asimilarity_search_with_relevance_scores("red cat")}
    assert relevance == pytest.approx(cosines)
    with pytest.raises(InvalidQuery, match="mode='dense'"):
        await vectors.asimilarity_search("red cat", threshold=0.5)
    assert contents(await vectors.asimilarity_search("red cat", threshold=0.99, mode="dense")) == ["red cat"]
    retriever = SynclineRetriever(store, ("errors",), mode="dense", threshold=0.99)
    assert [found.id for found in await retriever.ainvoke("red cat")] == ["two"]
    assert (await retriever.ainvoke("err-4711", mode="hybrid", threshold=None))[0].id == "one"
