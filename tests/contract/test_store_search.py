"""Searching an index that is behind, damaged or away: the source has the last word (architecture, invariant 9)."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from syncline_contracts.errors import EmbedderUnavailable, IndexUnavailable, InvalidFilter, InvalidQuery, NotYetIndexed
from syncline_contracts.event import Kind
from syncline_contracts.identity import Ref, namespace_prefixes, point_id
from syncline_contracts.revision import NEVER, Clock
from syncline_store import Store, TenantView
from syncline_store.index.changes import Upsert
from syncline_store.index.guard import Below
from syncline_store.index.points import Field, Mark, Point
from syncline_store.search.hydrate import Dropped, Reason
from syncline_store.testing import open_test_store
from tests.parts.clock import ManualClock
from tests.parts.embedders import OutableEmbedder
from tests.parts.outbox import deliveries
from tests.parts.world import a_collection

NOTES = ("notes",)


@pytest.fixture(params=["local", "by URL"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Nobody indexes but `index_all`."""
    if request.param == "local":
        async with open_test_store(indexing="relay") as store:
            yield store
        return
    async with a_collection(request.getfixturevalue("qdrant").url) as at_server, open_test_store(indexing="relay", **at_server) as store:
        yield store


@pytest.fixture
def acme(store: Store) -> TenantView:
    return store.tenant("acme")


@pytest.fixture
def dropped(store: Store) -> list[Dropped]:
    """What searches of this store drop."""
    seen: list[Dropped] = []

    async def report(found: Any) -> None:
        seen.extend(found)

    store._searching()._report = report
    return seen


async def index_all(store: Store) -> None:
    await (await store.parts.indexer()).index(await deliveries(store.parts.engine))


async def damage(store: Store, ref: Ref, *, passage: int = 0, revision: int = 1, **payload: Any) -> None:
    """Put a living point into the index behind the store's back."""
    state = {
        Field.DOCUMENT: str(ref.document),
        Field.TENANT: ref.tenant,
        Field.NAMESPACES: namespace_prefixes(ref.namespace),
        Field.KEY: ref.key,
        Field.REVISION: revision,
        Field.MARK: Mark.LIVE,
        Field.EXPIRES_AT: NEVER,
        Field.PASSAGE: passage,
        Field.PASSAGES: passage + 1,
        Field.SPAN: [0, 3],
    }
    full = {field.value: value for field, value in state.items()} | payload
    vector = (await store.parts.embedder.embed_documents(["cat"]))[0]
    index = await store.parts.index()
    await index.upsert([Upsert([Point(point_id(ref.document, passage), ref.document, vector, full)], Below(2**62))])


def keys(hits: Any) -> list[str]:
    return [hit.key for hit in hits]


def reasons(dropped: list[Dropped]) -> list[Reason]:
    return [each.reason for each in dropped]


class TestIndexBehind:
    async def test_what_was_deleted_meanwhile_is_dropped_and_the_page_filled(
        self, store: Store, acme: TenantView, dropped: list[Dropped]
    ) -> None:
        await acme.put_many([(NOTES, f"{n}", {"text": "cat " + "dog " * n}) for n in range(60)])
        await index_all(store)
        for n in range(50):
            await acme.delete(NOTES, f"{n}")
        assert keys(await acme.search(query="cat", limit=5)) == ["50", "51", "52", "53", "54"]
        assert set(reasons(dropped)) == {Reason.DELETED}
        assert len(dropped) == 50
        assert sorted(keys(await acme.search(limit=20))) == [f"{n}" for n in range(50, 60)]

    async def test_a_document_that_the_storage_lost_is_dropped(self, store: Store, acme: TenantView, dropped: list[Dropped]) -> None:
        await acme.put(NOTES, "here", {"text": "cat"})
        await index_all(store)
        await damage(store, Ref("acme", NOTES, "lost"))
        assert keys(await acme.search(query="cat")) == ["here"]
        assert reasons(dropped) == [Reason.GONE]

    async def test_a_changed_document_comes_as_it_is_now_if_it_still_satisfies_the_filter(
        self, store: Store, acme: TenantView, dropped: list[Dropped]
    ) -> None:
        old = await acme.put(NOTES, "n1", {"text": "cat", "kind": "note", "n": 1})
        await index_all(store)
        new = await acme.put(NOTES, "n1", {"text": "dog", "kind": "note", "n": 2})
        (hit,) = await acme.search(query="cat", filter={"kind": "note"})
        assert (hit.value["text"], hit.revision, hit.indexed_revision, hit.passage, hit.span) == ("dog", new, old, None, None)
        assert await acme.search(query="cat", filter={"n": 1}) == []
        assert reasons(dropped) == [Reason.CHANGED]

    async def test_what_is_kept_out_of_the_index_by_now_is_dropped(self, store: Store, acme: TenantView, dropped: list[Dropped]) -> None:
        await acme.put(NOTES, "n1", {"text": "cat"})
        await index_all(store)
        await acme.put(NOTES, "n1", {"text": "cat"}, index=False)
        assert await acme.search(query="cat") == []
        assert reasons(dropped) == [Reason.NOT_INDEXED]

    async def test_what_expired_by_a_later_write_is_dropped(self) -> None:
        time = ManualClock()
        async with open_test_store(indexing="relay", clock=Clock(now=time)) as store:
            acme = store.tenant("acme")
            await acme.put(NOTES, "n1", {"text": "cat"})
            await index_all(store)
            await acme.put(NOTES, "n1", {"text": "cat"}, ttl=10)
            time.forward(11)
            assert await acme.search(query="cat") == []


class TestDamagedIndex:
    async def test_a_point_that_says_it_is_another_tenant_s_shows_nothing_of_it(self, store: Store, dropped: list[Dropped]) -> None:
        acme, globex = store.tenant("acme"), store.tenant("globex")
        await acme.put(NOTES, "secret", {"text": "cat"})
        await globex.put(NOTES, "own", {"text": "cat"})
        await index_all(store)
        await damage(store, Ref("acme", NOTES, "secret"), revision=2**62 - 1, tenant="globex")
        assert keys(await globex.search(query="cat")) == ["own"]
        assert keys(await globex.search()) == ["own"]
        assert reasons(dropped) == [Reason.FOREIGN] * 2

    async def test_a_point_below_a_foreign_prefix_shows_nothing(self, store: Store, acme: TenantView, dropped: list[Dropped]) -> None:
        await acme.put(("private",), "n1", {"text": "cat"})
        await index_all(store)
        prefixes = [*namespace_prefixes(("public",)), *namespace_prefixes(("private",))]
        await damage(store, Ref("acme", ("private",), "n1"), revision=2**62 - 1, namespaces=prefixes)
        assert await acme.search(("public",), query="cat") == []
        assert reasons(dropped) == [Reason.FOREIGN]

    async def test_a_passage_of_another_revision_than_its_head_is_no_hit(
        self, store: Store, acme: TenantView, dropped: list[Dropped]
    ) -> None:
        """H15: a dead worker's request that lands after everything."""
        await acme.put(NOTES, "n1", {"text": "dog"})
        await index_all(store)
        await damage(store, Ref("acme", NOTES, "n1"), passage=1)
        (hit,) = await acme.search(query="cat", limit=1)
        assert hit.passage == "dog"
        assert reasons(dropped) == [Reason.STALE_PASSAGE]
        assert await acme.search(query="cat", threshold=0.5) == []

    async def test_a_passage_without_a_head_is_no_hit(self, store: Store, acme: TenantView, dropped: list[Dropped]) -> None:
        await damage(store, Ref("acme", NOTES, "n1"), passage=1)
        assert await acme.search(query="cat") == []
        assert reasons(dropped) == [Reason.HEADLESS]

    async def test_a_late_passage_of_a_deleted_document_is_no_hit(self, store: Store, acme: TenantView, dropped: list[Dropped]) -> None:
        await acme.put(NOTES, "n1", {"text": "cat"})
        await index_all(store)
        await acme.delete(NOTES, "n1")
        await index_all(store)
        await damage(store, Ref("acme", NOTES, "n1"), passage=1)
        assert await acme.search(query="cat") == []
        assert len(dropped) == 1


class TestPages:
    async def test_a_long_document_is_one_hit_and_does_not_crowd_out_others(self) -> None:
        async with open_test_store() as store:
            acme = store.tenant("acme")
            long = "\n\n".join(f"The cat walks by, part {n}. " + " ".join(f"w{n}x{m}" for m in range(150)) for n in range(120))
            await acme.put(NOTES, "long", {"text": long})
            head = (await (await store.parts.index()).points([Ref("acme", NOTES, "long").document])).popitem()[1][0]
            assert head.passages > 50
            await acme.put_many([(NOTES, f"{n}", {"text": f"other things {n}"}) for n in range(10)])
            hits = await acme.search(query="the cat walks by", limit=11)
            assert hits[0].key == "long"
            assert sorted(keys(hits)) == sorted(["long", *(f"{n}" for n in range(10))])
            assert hits[0].passage is not None
            assert hits[0].span is not None
            assert long[hits[0].span[0] : hits[0].span[1]] == hits[0].passage
            assert "cat" in hits[0].passage

    @pytest.mark.parametrize("asked", [{"query": "cat"}, {}])
    async def test_pages_by_offset_give_each_document_once(self, asked: dict[str, Any]) -> None:
        async with open_test_store() as store:
            acme = store.tenant("acme")
            await acme.put_many([(NOTES, f"{n}", {"text": "cat " + "dog " * n}) for n in range(25)])
            found = [key for offset in range(0, 40, 10) for key in keys(await acme.search(**asked, limit=10, offset=offset))]
            assert sorted(found, key=int) == [f"{n}" for n in range(25)]

    async def test_scores_fall_and_the_threshold_cuts(self) -> None:
        async with open_test_store() as store:
            acme = store.tenant("acme")
            await acme.put_many([(NOTES, f"{n}", {"text": "cat " + "dog " * n}) for n in range(10)])
            scores = [hit.score for hit in await acme.search(query="cat")]
            assert scores == sorted(scores, key=lambda score: -(score or 0))
            assert scores[0] == pytest.approx(1.0, abs=1e-6)
            above = await acme.search(query="cat", threshold=0.5)
            assert keys(above) == ["0", "1"]
            assert all(hit.score is None for hit in await acme.search())

    async def test_a_vector_asks_as_its_query_does(self) -> None:
        async with open_test_store() as store:
            acme = store.tenant("acme")
            await acme.put_many([(NOTES, f"{n}", {"text": f"cat {n}"}) for n in range(5)])
            vector = await store.parts.embedder.embed_query("cat 3")
            assert keys(await acme.search(vector=vector.tolist(), limit=1)) == keys(await acme.search(query="cat 3", limit=1)) == ["3"]
            assert np.linalg.norm(vector) == pytest.approx(1)


class TestFreshness:
    async def test_waiting_ends_once_the_index_has_it(self, store: Store, acme: TenantView) -> None:
        revision = await acme.put(NOTES, "n1", {"text": "cat"})
        with pytest.raises(NotYetIndexed, match=r"not within 0\.05 s") as late:
            await acme.wait_until_indexed((NOTES, "n1"), revision, timeout=0.05)
        assert late.value.revision == revision
        await index_all(store)
        await acme.wait_until_indexed((NOTES, "n1"), revision, timeout=0.05)
        deleted = await acme.delete(NOTES, "n1")
        await index_all(store)
        await acme.wait_until_indexed(Ref("acme", NOTES, "n1"), deleted, timeout=0.05)
        with pytest.raises(InvalidQuery, match="tenant"):
            await acme.wait_until_indexed(Ref("globex", NOTES, "n1"), deleted)


class TestReadRepair:
    async def test_searches_write_nothing_unless_asked(self, store: Store, acme: TenantView) -> None:
        await damage(store, Ref("acme", NOTES, "lost"))
        assert await acme.search(query="cat") == []
        assert await deliveries(store.parts.engine) == []

    async def test_repairs_go_through_the_outbox_and_are_capped(self) -> None:
        time = ManualClock()
        async with open_test_store(indexing="relay", read_repair=3, clock=Clock(now=time)) as store:
            for n in range(10):
                await damage(store, Ref("acme", NOTES, f"lost{n}"), revision=100 + n)
            await damage(store, Ref("acme", NOTES, "foreign"), document=str(Ref("acme", NOTES, "other").document))
            for _ in range(3):
                assert await store.tenant("acme").search(query="cat") == []
            events = [delivery.event for delivery in await deliveries(store.parts.engine)]
            assert len(events) == 3
            assert {event.kind for event in events} == {Kind.REPAIR}
            assert all(event.first_at == event.revision for event in events)
            time.forward(60)
            assert await store.tenant("acme").search(query="cat") == []
            assert len(await deliveries(store.parts.engine)) == 6
            await index_all(store)
            left = await (await store.parts.index()).points([event.ref.document for event in events])
            assert all(not points[0].live for points in left.values())


async def test_without_an_index_documents_are_still_there() -> None:
    async with open_test_store(index="http://127.0.0.1:9", indexing="relay") as store:
        acme = store.tenant("acme")
        await acme.put(NOTES, "n1", {"text": "cat", "kind": "note"})
        assert await acme.get(NOTES, "n1") is not None
        assert keys((await acme.list(filter={"kind": "note"})).items) == ["n1"]
        with pytest.raises(IndexUnavailable):
            await acme.search(query="cat")
        with pytest.raises(IndexUnavailable):
            await acme.wait_until_indexed((NOTES, "n1"), 1, timeout=1)


async def test_without_an_index_the_filter_may_decide_alone() -> None:
    """What a search would find once the index is back: not another tenant's, nor what is kept out of it, expired or deleted."""
    clock = ManualClock()
    async with open_test_store(index="http://127.0.0.1:9", indexing="relay", clock=Clock(now=clock)) as store:
        acme = store.tenant("acme")
        for number in range(6):
            await acme.put(NOTES, f"n{number}", {"text": "cat", "odd": number % 2 == 1})
        await acme.put(NOTES, "n7", {"text": "cat", "odd": True}, index=False)
        await acme.put(NOTES, "n8", {"text": "cat", "odd": True}, ttl=5)
        await acme.put(("other",), "n9", {"text": "cat", "odd": True})
        await acme.delete(NOTES, "n5")
        await store.tenant("theirs").put(NOTES, "n1", {"text": "cat", "odd": True})
        clock.forward(10)
        hits = await acme.search(NOTES, query="cat", filter={"odd": True}, fallback=True)
        assert [(hit.key, hit.score, hit.indexed_revision) for hit in hits] == [("n1", None, None), ("n3", None, None)]
        assert keys(await acme.search(NOTES, query="cat", limit=2, offset=1, fallback=True)) == ["n1", "n2"]
        with pytest.raises(InvalidQuery):
            await acme.search(NOTES, query="cat", limit=0, fallback=True)
        with pytest.raises(InvalidQuery):
            await acme.search(NOTES, query="cat", offset=-1, fallback=True)
        with pytest.raises(IndexUnavailable):
            await acme.search(NOTES, filter={"odd": True})


async def test_without_an_index_the_filter_sees_what_is_declared() -> None:
    """As the index would: the declared fields, however much else a value holds, and no others."""
    async with open_test_store(index="http://127.0.0.1:9", indexing="relay") as store:
        acme = store.tenant("acme")
        await acme.configure(NOTES, filterable=["z"])
        await acme.put(NOTES, "n1", {"a": list(range(2_000)), "z": 1})
        assert keys(await acme.search(NOTES, filter={"z": 1}, fallback=True)) == ["n1"]
        with pytest.raises(InvalidFilter, match="not filterable"):
            await acme.search(NOTES, filter={"a": 1}, fallback=True)


async def test_without_an_embedder_the_filter_may_decide_alone() -> None:
    embedder = OutableEmbedder()
    async with open_test_store(embedder=embedder) as store:
        acme = store.tenant("acme")
        await acme.configure(NOTES, filterable=["odd"])
        await acme.put(NOTES, "n1", {"text": "cat", "odd": True})
        await acme.put(NOTES, "n2", {"text": "cat", "odd": False})
        embedder.out = True
        assert keys(await acme.search(NOTES, query="cat", filter={"odd": True}, fallback=True)) == ["n1"]
        with pytest.raises(EmbedderUnavailable):
            await acme.search(NOTES, query="dog", filter={"odd": True})
        with pytest.raises(InvalidFilter, match="not filterable"):
            await acme.search(NOTES, query="dog", filter={"text": "cat"}, fallback=True)


@pytest.mark.parametrize("wrong", [{"offset": -1}, {"limit": 0}])
async def test_without_an_index_that_puts_wait_for_a_wrong_page_is_refused_all_the_same(wrong: dict[str, Any]) -> None:
    async with open_test_store(index="http://127.0.0.1:9", indexing="inline") as store:
        with pytest.raises(InvalidQuery):
            await store.tenant("acme").search(NOTES, query="cat", fallback=True, **wrong)
