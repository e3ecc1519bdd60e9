"""Hybrid searches: by meaning and by words, in local mode and at a server."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from syncline_contracts.errors import IndexMismatch, InvalidDocument, InvalidQuery, NotYetIndexed
from syncline_contracts.identity import Ref, point_id
from syncline_store import Store, TenantView
from syncline_store.engines.protocol import NamespaceSettings
from syncline_store.search.asked import Asked, Score
from syncline_store.search.question import asked
from syncline_store.sparse import of_passage
from syncline_store.testing import open_test_store
from tests.parts.outbox import deliveries
from tests.parts.servers.qdrant_grpc import grpc_port
from tests.parts.world import a_collection

ERRORS = ("errors",)
NOTES = ("notes",)


class OneMeaning:
    """Every text means the same: only words tell documents apart."""

    model = "one-meaning"
    dimensions = 4
    max_tokens = 512
    max_texts = 100

    async def embed_documents(self, texts: Any) -> Any:
        return np.tile(np.array([1, 0, 0, 0], np.float32), (len(texts), 1))

    async def embed_query(self, query: str) -> Any:
        return np.array([1, 0, 0, 0], np.float32)

    async def aclose(self) -> None: ...


@pytest.fixture(params=["local", "by URL", "by gRPC"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Nobody indexes but `index_all`."""
    if request.param == "local":
        async with open_test_store(indexing="relay", embedder=OneMeaning()) as store:
            yield store
        return
    url = request.getfixturevalue("qdrant").url
    async with a_collection(url) as at_server:
        if request.param == "by URL":
            async with open_test_store(indexing="relay", embedder=OneMeaning(), **at_server) as store:
                yield store
            return
        async with (
            grpc_port(url) as (port, _),
            open_test_store(indexing="relay", embedder=OneMeaning(), index_grpc_port=port, **at_server) as store,
        ):
            yield store


@pytest.fixture
def acme(store: Store) -> TenantView:
    return store.tenant("acme")


async def index_all(store: Store) -> None:
    await (await store.parts.indexer()).index(await deliveries(store.parts.engine))


async def write_errors(store: Store, acme: TenantView, *, hybrid: str | None = "english") -> None:
    await acme.configure(ERRORS, hybrid=hybrid)
    for number in range(4700, 4725):
        await acme.put(
            ERRORS, f"e{number}", {"text": "The pump stopped: ERR-4711" if number == 4711 else f"The pump stopped: code {number}"}
        )
    await index_all(store)


async def test_a_rare_word_finds_what_the_meaning_cannot_tell_apart(store: Store, acme: TenantView) -> None:
    await write_errors(store, acme)
    hits = await acme.search(ERRORS, query="err-4711", limit=3)
    assert hits[0].key == "e4711"
    assert len(hits) == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), key=lambda score: -(score or 0))
    assert {hit.scored_by for hit in hits} == {Score.RRF}
    dense = await acme.search(ERRORS, query="err-4711", limit=3, mode="dense")
    assert {hit.scored_by for hit in dense} == {Score.COSINE}
    assert dense[0].score == pytest.approx(1.0)


async def test_each_document_comes_once_on_all_pages(store: Store, acme: TenantView) -> None:
    """Rounds leave out what was seen, and a later one's scores are never better."""
    await acme.configure(ERRORS, hybrid="plain")
    for number in range(6):
        await acme.put(ERRORS, f"long{number}", {"text": f"leak {number}\n\n" + "some words about a leak. " * 150})
    await index_all(store)
    hits = await acme.search(ERRORS, query="leak 3", limit=6)
    assert sorted(hit.key for hit in hits) == [f"long{number}" for number in range(6)]
    scores = [hit.score or 0 for hit in hits]
    assert scores == sorted(scores, reverse=True)


async def test_a_prefix_above_is_hybrid_when_asked(store: Store, acme: TenantView) -> None:
    await write_errors(store, acme)
    await acme.put(NOTES, "n", {"text": "a note"})
    await index_all(store)
    assert {hit.scored_by for hit in await acme.search(query="err-4711")} == {Score.COSINE}
    hits = await acme.search(query="err-4711", mode="hybrid", limit=26)
    assert hits[0].key == "e4711"
    assert "n" in {hit.key for hit in hits}  # found by its meaning alone
    with pytest.raises(InvalidQuery, match="is hybrid"):
        await acme.search(NOTES, query="err-4711", mode="hybrid")


async def test_namespaces_that_do_not_ask_have_no_words(store: Store, acme: TenantView) -> None:
    await acme.put(NOTES, "n", {"text": "ERR-4711"})
    await index_all(store)
    (hit,) = await acme.search(NOTES, query="ERR-4711", threshold=0.9)
    assert hit.scored_by is Score.COSINE
    assert await words_of(store, NOTES, "n") is None


async def test_a_changed_text_has_its_own_words_and_a_filter_holds(store: Store, acme: TenantView) -> None:
    await write_errors(store, acme)
    await acme.put(ERRORS, "e4711", {"text": "repaired", "done": True})
    await index_all(store)
    expected = of_passage("repaired", "english")
    assert expected is not None
    found = await words_of(store, ERRORS, "e4711")
    assert found is not None
    assert sorted(found.indices) == list(expected.indices)
    assert [hit.key for hit in await acme.search(ERRORS, query="ERR-4712", filter={"done": True})] == ["e4711"]


async def test_another_tenants_words_crowd_nobody_out(store: Store, acme: TenantView) -> None:
    """Each side is asked about this tenant alone, before ranks are fused (invariant 9)."""
    await write_errors(store, acme)
    other = store.tenant("other")
    await other.configure(ERRORS, hybrid="english")
    for number in range(5):
        await other.put(ERRORS, f"o{number}", {"text": "ERR-4711"})
    await index_all(store)
    index = await store.parts.index()
    question = await asked(store.parts.embedder, "acme", ERRORS, Asked(query="ERR-4711"), ["english"])
    assert question.vector is not None
    assert question.words is not None
    found = await index.hybrid(question.vector, question.words, question.where(store.parts.clock.now()), 30)
    assert {point.ref.tenant for point in found} == {"acme"}
    assert found[0].ref.key == "e4711"


async def test_a_threshold_is_a_cosine(store: Store, acme: TenantView) -> None:
    await write_errors(store, acme)
    with pytest.raises(InvalidQuery, match="mode='dense'"):
        await acme.search(ERRORS, query="ERR-4711", threshold=0.5)
    assert len(await acme.search(ERRORS, query="ERR-4711", threshold=0.5, mode="dense", limit=30)) == 25
    assert len(await acme.search(ERRORS, vector=[1, 0, 0, 0], threshold=0.5, limit=30)) == 25


async def test_a_query_without_words_is_searched_by_its_meaning(store: Store, acme: TenantView) -> None:
    await write_errors(store, acme)
    assert {hit.scored_by for hit in await acme.search(ERRORS, query="?!")} == {Score.COSINE}


async def test_hybrid_is_a_setting_like_the_others(store: Store, acme: TenantView) -> None:
    settings = await acme.configure(ERRORS, hybrid="german", filterable=["year"])
    assert settings.hybrid == "german"
    assert (await acme.configure(ERRORS)).hybrid == "german"
    assert (await acme.configure(NOTES, hybrid="french")).filterable is None
    await acme.search(NOTES, filter={"anything": 1})  # no field is declared there
    with pytest.raises(InvalidDocument, match="there are plain, arabic"):
        await acme.configure(("more",), hybrid="klingon")


async def test_a_search_waits_for_the_revisions_that_puts_gave(store: Store, acme: TenantView) -> None:
    revision = await acme.put(NOTES, "n", {"text": "new"})
    await index_all(store)
    assert [hit.key for hit in await acme.search(NOTES, min_revision={(NOTES, "n"): revision})] == ["n"]
    with pytest.raises(InvalidQuery):
        await acme.search(NOTES, min_revision={Ref("other", NOTES, "n"): revision})


async def test_revisions_that_do_not_come_end_the_search() -> None:
    async with open_test_store(indexing="relay", search_deadline=1) as store:
        acme = store.tenant("acme")
        revision = await acme.put(NOTES, "n", {"text": "new"})
        with pytest.raises(NotYetIndexed):
            await acme.search(NOTES, min_revision={(NOTES, "n"): revision})


async def test_a_collection_without_sparse_vectors_is_refused(store: Store, acme: TenantView) -> None:
    index = await store.parts.index()

    async def refuse() -> None:
        raise IndexMismatch("syncline reindex")

    index.take_words = refuse  # type: ignore[method-assign]  # no collection is made so any more
    await store.parts.engine.namespaces.ensure("acme", ERRORS, NamespaceSettings(hybrid="english"))
    await acme.put(ERRORS, "e", {"text": "ERR-1"})
    await acme.put(NOTES, "n", {"text": "fine"})
    await index_all(store)
    assert [hit.key for hit in await acme.search(query="fine")] == ["n"]
    (letter,) = (await store.parts.engine.dead_letters.scan(None, 10)).items
    assert "syncline reindex" in letter.message
    with pytest.raises(IndexMismatch):
        await acme.search(ERRORS, query="ERR-1")


async def words_of(store: Store, namespace: tuple[str, ...], key: str) -> Any:
    index = await store.parts.index()
    head = point_id(Ref("acme", namespace, key).document, 0)
    (record,) = await index._client.call(lambda qdrant: qdrant.retrieve(index.collection, [head], with_vectors=["words"]))
    return (record.vector or {}).get("words")
