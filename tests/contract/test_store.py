"""What an app may rely on, whatever is below: one suite for every storage that the store runs on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import InvalidDocument, InvalidFilter, InvalidQuery, SynclineError
from syncline_contracts.revision import Clock, now_us
from syncline_store import Document, Put, Store, TenantView
from syncline_store.testing import open_test_store
from tests.parts.clock import ManualClock
from tests.parts.servers import cql
from tests.parts.world import a_collection

NOTES = ("users", "u1", "notes")


@pytest.fixture(params=["sqlite file", "sqlite memory", "cql", "index by URL"])
async def where(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """Where documents are kept, or their points. An engine that is given belongs to the store that is opened with it."""
    if request.param == "index by URL":
        async with a_collection(request.getfixturevalue("qdrant").url) as at_server:
            yield {"indexing": "inline", **at_server}
    elif request.param == "cql":
        yield {"engine": await cql.open_engine(tmp_path, Clock())}
    else:
        yield {"store": f"sqlite:///{tmp_path}/documents.db" if request.param == "sqlite file" else "sqlite:///:memory:"}


@pytest.fixture
async def store(where: dict[str, Any]) -> AsyncIterator[Store]:
    async with open_test_store(**where) as store:
        yield store


@pytest.fixture
async def unindexed(where: dict[str, Any]) -> AsyncIterator[TenantView]:
    """Where only the documents matter: nobody indexes."""
    async with open_test_store(**{**where, "indexing": "relay"}) as store:
        yield store.tenant("acme")


@pytest.fixture
def acme(store: Store) -> TenantView:
    return store.tenant("acme")


def keys(documents: Any) -> list[str]:
    return [document.key for document in documents]


async def every(documents: AsyncIterator[Document]) -> list[Document]:
    return [document async for document in documents]


async def in_pages(tenant: TenantView, size: int, prefix: tuple[str, ...] = (), **asked: Any) -> list[Document]:
    found: list[Document] = []
    page = await tenant.list(prefix, limit=size, **asked)
    while True:
        assert len(page.items) <= size
        found += page.items
        if page.after is None:
            return found
        page = await tenant.list(prefix, limit=size, cursor=page.after, **asked)


class TestWriting:
    async def test_what_was_put_is_got(self, acme: TenantView) -> None:
        value = {"text": "hello", "n": [1, 2.5, None, True, {"ü": "\u2028\x00"}], "empty": {}}
        revision = await acme.put(NOTES, "n1", value)
        document = await acme.get(NOTES, "n1")
        assert document is not None
        assert (document.namespace, document.key, document.value, document.revision) == (NOTES, "n1", value, revision)
        assert document.expires_at is None
        assert await acme.get(NOTES, "n2") is None

    async def test_a_second_put_replaces_and_keeps_when_it_was_created(self, acme: TenantView) -> None:
        first = await acme.put(NOTES, "n1", {"text": "one"})
        before = await acme.get(NOTES, "n1")
        second = await acme.put(NOTES, "n1", {"text": "two"})
        document = await acme.get(NOTES, "n1")
        assert second > first
        assert before is not None
        assert document is not None
        assert document.value == {"text": "two"}
        assert document.created_at == before.created_at
        assert document.updated_at > before.updated_at

    async def test_a_deleted_document_is_nowhere(self, acme: TenantView) -> None:
        put = await acme.put(NOTES, "n1", {"text": "the cat"})
        deleted = await acme.delete(NOTES, "n1")
        assert deleted > put
        assert await acme.get(NOTES, "n1") is None
        assert keys((await acme.list()).items) == []
        assert keys(await acme.search(query="the cat")) == []
        assert keys(await acme.search()) == []

    async def test_deleting_what_is_not_there_is_no_error_and_it_can_come_back(self, acme: TenantView) -> None:
        await acme.delete(NOTES, "n1")
        await acme.put(NOTES, "n1", {"text": "the cat"})
        assert keys(await acme.search(query="the cat")) == ["n1"]

    async def test_names_in_a_value_that_the_store_uses_itself_change_nothing(self, acme: TenantView) -> None:
        value = {
            "text": "the cat",
            "key": "other",
            "namespace": ["x"],
            "namespaces": ["x"],
            "tenant": "globex",
            "revision": 2**62,
            "document": "00000000-0000-0000-0000-000000000000",
            "mark": "deleted",
            "expires_at": 1,
            "passage": 7,
            "passages": 0,
            "fields": {"kind": "other"},
            "deleted": True,
            "$": "x",
        }
        revision = await acme.put(NOTES, "n1", value)
        document = await acme.get(NOTES, "n1")
        assert document is not None
        assert (document.key, document.namespace, document.value, document.revision) == ("n1", NOTES, value, revision)
        (hit,) = await acme.search(NOTES, query="the cat", filter={"tenant": "globex", "mark": "deleted", "fields.kind": "other"})
        assert (hit.key, hit.namespace, hit.value, hit.revision) == ("n1", NOTES, value, revision)
        newer = await acme.put(NOTES, "n1", {"text": "a dog"})
        assert [(hit.key, hit.indexed_revision) for hit in await acme.search(query="a dog")] == [("n1", newer)]

    async def test_what_breaks_a_limit_is_refused_and_nothing_is_written(self, acme: TenantView) -> None:
        for namespace, key, value in [
            ((), "k", {}),
            (("a", ""), "k", {}),
            (("a",), "", {}),
            (("a",), "k", [1]),
            (("a",), "k", {"n": float("nan")}),
        ]:
            with pytest.raises(InvalidDocument):
                await acme.put(namespace, key, value)  # type: ignore[arg-type] # that is what is tested
        assert keys((await acme.list()).items) == []
        assert list((await acme.list_namespaces()).items) == []

    async def test_each_of_many_puts_at_once_has_its_own_revision(self, unindexed: TenantView) -> None:
        revisions = await asyncio.gather(*(unindexed.put(NOTES, f"{n:03}", {"n": n}) for n in range(300)))
        assert len(set(revisions)) == 300
        found = {document.key: document for document in await every(unindexed.documents())}
        assert {key: (document.value["n"], document.revision) for key, document in found.items()} == {
            f"{n:03}": (n, revision) for n, revision in enumerate(revisions)
        }

    async def test_put_many_gives_each_document_s_result(self, acme: TenantView) -> None:
        results = await acme.put_many(
            [(NOTES, "a", {"n": 1}), (NOTES, "", {}), Put(NOTES, "b", {"n": 2}, index=False), (NOTES, "c", {"x": object()})]
        )
        assert [type(result) for result in results] == [int, InvalidDocument, int, InvalidDocument]
        assert keys((await acme.list()).items) == ["a", "b"]
        assert keys(await acme.search()) == ["a"]

    async def test_of_two_in_one_put_many_the_later_wins(self, acme: TenantView) -> None:
        results = await acme.put_many([(NOTES, f"k{n % 7}", {"text": f"word{n}"}) for n in range(700)])
        assert all(isinstance(result, int) for result in results)
        assert {document.key: document.value["text"] for document in await every(acme.documents())} == {
            f"k{n % 7}": f"word{n}" for n in range(693, 700)
        }
        assert {hit.key: hit.indexed_revision for hit in await acme.search()} == {f"k{n % 7}": results[n] for n in range(693, 700)}

    async def test_put_many_reads_on_as_it_writes(self, unindexed: TenantView) -> None:
        ahead = 0

        def puts() -> Any:
            nonlocal ahead
            for n in range(2_000):
                ahead = n
                yield (NOTES, f"{n:05}", {"n": n})

        writing = asyncio.create_task(unindexed.put_many(puts()))
        while not (await unindexed.list(limit=1)).items:
            assert ahead < 1_000
            await asyncio.sleep(0)
        assert len(await writing) == 2_000

    async def test_get_many_answers_in_the_order_asked(self, unindexed: TenantView) -> None:
        await unindexed.put_many([(NOTES, f"{n}", {"n": n}) for n in range(1_200)])
        asked = [(NOTES, f"{n}") for n in (5, 1_199, 5_000, 0, 5)]
        assert [document and document.value["n"] for document in await unindexed.get_many(asked)] == [5, 1_199, None, 0, 5]
        assert len(await unindexed.get_many((NOTES, f"{n}") for n in range(1_200))) == 1_200
        assert await unindexed.get_many([]) == []


class TestNamespaces:
    async def test_parts_do_not_run_together(self, acme: TenantView) -> None:
        """The forerunner joined them with dots."""
        await acme.put(("a.b", "c"), "k", {"text": "one cat"})
        await acme.put(("a", "b.c"), "k", {"text": "two cats"})
        await acme.put(("a", "b", "c"), "k", {"text": "three cats"})
        one = await acme.get(("a.b", "c"), "k")
        two = await acme.get(("a", "b.c"), "k")
        assert one is not None
        assert two is not None
        assert (one.value["text"], two.value["text"]) == ("one cat", "two cats")
        assert [d.namespace for d in (await acme.list(("a",))).items] == [("a", "b", "c"), ("a", "b.c")]
        assert [d.namespace for d in (await acme.list(("a.b",))).items] == [("a.b", "c")]
        assert sorted(hit.namespace for hit in await acme.search(("a",), query="cats")) == [("a", "b", "c"), ("a", "b.c")]
        assert [hit.namespace for hit in await acme.search(("a.b",), query="cats")] == [("a.b", "c")]

    async def test_a_prefix_ends_with_a_part(self, acme: TenantView) -> None:
        await acme.put(("user",), "k", {"text": "cat"})
        await acme.put(("users",), "k", {"text": "cat"})
        await acme.put(("user", "u1"), "k", {"text": "cat"})
        expected = [("user",), ("user", "u1")]
        assert [d.namespace for d in (await acme.list(("user",))).items] == expected
        assert [d.namespace async for d in acme.documents(("user",))] == expected
        assert list((await acme.list_namespaces(("user",))).items) == expected
        assert sorted(hit.namespace for hit in await acme.search(("user",), query="cat")) == expected
        assert sorted(hit.namespace for hit in await acme.search(("user",))) == expected

    async def test_characters_that_the_encoding_uses_are_like_any_other(self, acme: TenantView) -> None:
        namespaces = [("a", "b"), ("a\x01b",), ("a\x02",), ("a\x02\x04b",), ("a",), ("a\x01",)]
        for n, namespace in enumerate(namespaces):
            await acme.put(namespace, "k", {"n": n, "text": "cat"})
        for n, namespace in enumerate(namespaces):
            document = await acme.get(namespace, "k")
            assert document is not None
            assert document.value["n"] == n
        assert [d.namespace for d in (await acme.list()).items] == sorted(namespaces)
        assert sorted(hit.namespace for hit in await acme.search(("a",), query="cat")) == [("a",), ("a", "b")]

    async def test_namespaces_are_listed_in_order_and_pages(self, unindexed: TenantView) -> None:
        namespaces = sorted([(f"n{n % 10}", f"m{n}") for n in range(50)] + [("n1",)])
        await unindexed.put_many([(namespace, "k", {}) for namespace in namespaces])
        found: list[tuple[str, ...]] = []
        page = await unindexed.list_namespaces(limit=7)
        found += page.items
        while page.after is not None:
            page = await unindexed.list_namespaces(limit=7, cursor=page.after)
            found += page.items
        assert found == namespaces

    async def test_the_first_settings_of_a_namespace_stay(self, acme: TenantView) -> None:
        first = await acme.configure(("books",), fields=["title"])
        again = await acme.configure(("books",), fields=["body"])
        assert first.fields == again.fields == ("title",)
        await acme.put(("books",), "b1", {"title": "ships", "body": "cats"})
        assert (await acme.search(query="ships"))[0].score == pytest.approx(1.0, abs=1e-5)
        assert (await acme.search(query="ships"))[0].passage == "ships"


class TestListing:
    @pytest.mark.parametrize("size", [1, 2, 7, 100])
    async def test_pages_are_in_namespace_and_key_order_whatever_their_size(self, unindexed: TenantView, size: int) -> None:
        names = ["a", "a b", "a.b", "B", "z", "ä", "日本", "😀", "a\x7f"]
        expected = sorted((namespace, key) for namespace in [("n",), ("n", "m"), ("n.m",), ("😀",)] for key in names)
        await unindexed.put_many([(namespace, key, {}) for namespace, key in reversed(expected)])
        assert [(d.namespace, d.key) for d in await in_pages(unindexed, size)] == expected
        assert [(d.namespace, d.key) for d in await every(unindexed.documents())] == expected

    @pytest.mark.parametrize("size", [1, 3, 50])
    async def test_a_filtered_listing_is_complete_whatever_its_page_size(self, where: dict[str, Any], size: int) -> None:
        async with open_test_store(**{**where, "indexing": "relay"}, read_ahead=8) as store:
            tenant = store.tenant("acme")
            await tenant.put_many([(NOTES, f"{n:04}", {"n": n, "odd": n % 2 == 1}) for n in range(100)])
            for n in range(0, 100, 10):
                await tenant.delete(NOTES, f"{n + 1:04}")
            expected = [n for n in range(100) if n % 2 == 1 and n % 10 != 1]
            assert [d.value["n"] for d in await in_pages(tenant, size, filter={"odd": True})] == expected

    async def test_more_than_five_thousand_documents_are_listed(self, unindexed: TenantView) -> None:
        """The forerunner's limit."""
        await unindexed.put_many([((f"n{n % 3}",), f"{n:05}", {"n": n}) for n in range(6_000)])
        assert await unindexed.count() == 6_000
        assert len(await in_pages(unindexed, 1_000)) == 6_000
        assert keys((await unindexed.list(filter={"n": 5_999})).items) == ["05999"]

    async def test_what_changes_between_two_pages_moves_nothing_else(self, unindexed: TenantView) -> None:
        await unindexed.put_many([(NOTES, f"{n:02}", {"n": n}) for n in range(20)])
        for asked in ({}, {"filter": {"n": {"$gte": 0}}}):
            page = await unindexed.list(limit=10, **asked)  # type: ignore[arg-type] # a dict of keywords
            for key in ("05", "09", "10"):
                await unindexed.delete(NOTES, key)
            await unindexed.put(NOTES, "085", {"n": 85})
            rest = await unindexed.list(limit=100, cursor=page.after, **asked)  # type: ignore[arg-type] # as above
            assert keys(page.items) == [f"{n:02}" for n in range(10)]
            assert keys(rest.items) == [f"{n:02}" for n in range(11, 20)]
            await unindexed.delete(NOTES, "085")
            await unindexed.put_many([(NOTES, key, {"n": int(key)}) for key in ("05", "09", "10")])

    @pytest.mark.parametrize("cursor", ["", "x", "bm90IGpzb24=", "W10=", "W251bGwsIFtbMV0sIDJdXQ==", "ü"])
    async def test_a_cursor_that_is_none_is_refused(self, unindexed: TenantView, cursor: str) -> None:
        with pytest.raises(InvalidQuery, match="cursor"):
            await unindexed.list(cursor=cursor)

    async def test_wrong_arguments_are_refused(self, unindexed: TenantView) -> None:
        with pytest.raises(InvalidQuery, match="limit"):
            await unindexed.list(limit=0)
        with pytest.raises(InvalidFilter, match="regex"):
            await unindexed.list(filter={"a": {"$regex": "x"}})
        with pytest.raises(InvalidDocument, match="namespace"):
            await unindexed.list("notes")


class TestTenants:
    async def test_no_way_of_reading_shows_another_tenant_s_documents(self, store: Store) -> None:
        acme, globex = store.tenant("acme"), store.tenant("globex")
        await acme.put_many([(NOTES, f"a{n}", {"text": "the cat", "n": n}) for n in range(30)])
        await globex.put(NOTES, "g1", {"text": "the cat", "n": 1})
        assert await globex.get(NOTES, "a1") is None
        assert await globex.get_many([(NOTES, "a1"), (NOTES, "g1")]) == [None, await globex.get(NOTES, "g1")]
        assert keys((await globex.list()).items) == keys((await globex.list(NOTES, filter={"n": 1})).items) == ["g1"]
        assert keys(await every(globex.documents())) == ["g1"]
        assert await globex.count() == 1
        assert keys(await globex.search(query="the cat", limit=100)) == ["g1"]
        assert keys(await globex.search(NOTES, filter={"text": "the cat"}, limit=100)) == ["g1"]
        assert keys(await globex.search(limit=100)) == ["g1"]
        foreign = (await acme.list(limit=1)).after
        assert keys((await globex.list(cursor=foreign)).items) == ["g1"]
        assert list((await store.tenant("other").list_namespaces()).items) == []

    async def test_the_same_address_is_a_document_for_each_tenant(self, store: Store) -> None:
        acme, globex = store.tenant("acme"), store.tenant("globex")
        await acme.put(NOTES, "n1", {"text": "cat"})
        await globex.put(NOTES, "n1", {"text": "dog"})
        await acme.delete(NOTES, "n1")
        document = await globex.get(NOTES, "n1")
        assert document is not None
        assert document.value == {"text": "dog"}
        assert keys(await globex.search(query="dog")) == ["n1"]

    async def test_a_small_tenant_gets_its_hits_however_many_match_better(self, store: Store) -> None:
        """The forerunner filtered what the index gave."""
        await store.tenant("big").put_many([(NOTES, f"{n}", {"text": "cat"}) for n in range(400)])
        await store.tenant("small").put_many([(NOTES, f"{n}", {"text": f"cat and {n} other words that matter more"}) for n in range(3)])
        assert sorted(keys(await store.tenant("small").search(query="cat", limit=3))) == ["0", "1", "2"]
        assert len(await store.tenant("big").search(query="cat", limit=400)) == 400

    @pytest.mark.parametrize("tenant", ["", "a\nb", "x" * 200, None])
    def test_what_is_no_tenant_s_name_is_refused(self, store: Store, tenant: Any) -> None:
        with pytest.raises(InvalidDocument, match="tenant"):
            store.tenant(tenant)


class TestLife:
    async def test_a_document_with_a_ttl_is_nowhere_once_it_is_over(self, where: dict[str, Any]) -> None:
        time = ManualClock(now_us())
        async with open_test_store(**where, clock=Clock(now=time)) as store:
            tenant = store.tenant("acme")
            await tenant.put(NOTES, "short", {"text": "the cat"}, ttl=60)
            await tenant.put(NOTES, "long", {"text": "the cat"})
            document = await tenant.get(NOTES, "short")
            assert document is not None
            assert document.expires_at is not None
            assert (document.expires_at - document.updated_at).total_seconds() == pytest.approx(60, abs=0.1)
            assert sorted(keys(await tenant.search(query="the cat"))) == ["long", "short"]
            time.forward(61)
            assert await tenant.get(NOTES, "short") is None
            assert keys((await tenant.list()).items) == ["long"]
            assert keys(await tenant.search(query="the cat")) == keys(await tenant.search()) == ["long"]

    async def test_what_is_kept_out_of_the_index_is_stored_and_not_found(self, acme: TenantView) -> None:
        await acme.put(NOTES, "n1", {"text": "the cat"})
        await acme.put(NOTES, "n1", {"text": "the cat"}, index=False)
        await acme.put(NOTES, "n2", {"title": "the cat", "text": "a dog"}, index=["text"])
        assert await acme.get(NOTES, "n1") is not None
        assert keys(await acme.search()) == ["n2"]
        assert [hit.passage for hit in await acme.search(query="the cat")] == ["a dog"]

    async def test_a_document_without_text_is_found_by_its_fields(self, acme: TenantView) -> None:
        await acme.put(NOTES, "n1", {"n": 1, "tags": ["a", "b"]})
        await acme.put(NOTES, "n2", {"n": 2, "text": "the cat"})
        assert keys(await acme.search(filter={"n": 1})) == keys(await acme.search(filter={"n": {"$lt": 2}})) == ["n1"]
        (hit,) = await acme.search(filter={"n": {"$exists": True}, "text": None})
        assert (hit.key, hit.score, hit.passage) == ("n1", None, "a\nb")
        await acme.put(NOTES, "n3", {"n": 3})
        (hit,) = await acme.search(filter={"n": 3})
        assert (hit.key, hit.passage, hit.span) == ("n3", None, None)
        assert sorted(keys(await acme.search(query="the cat"))) == ["n1", "n2"]

    async def test_a_store_can_be_closed_twice_and_opened_again(self, tmp_path: Path) -> None:
        where = {"store": f"sqlite:///{tmp_path}/documents.db", "index": f"path:{tmp_path}/index"}
        store = await open_test_store(**where)
        await store.tenant("acme").put(NOTES, "n1", {"text": "the cat"})
        await store.aclose()
        await store.aclose()
        async with open_test_store(**where) as store:
            assert keys(await store.tenant("acme").search(query="the cat")) == ["n1"]

    async def test_puts_under_way_are_finished_before_the_store_closes(self, tmp_path: Path) -> None:
        where = {"store": f"sqlite:///{tmp_path}/documents.db", "indexing": "relay"}
        async with open_test_store(**where) as store:
            tenant = store.tenant("acme")
            puts = [asyncio.create_task(tenant.put(NOTES, f"{n}", {"n": n})) for n in range(50)]
            while not (await tenant.list(limit=1)).items:  # noqa: ASYNC110 - a put tells nobody but its caller
                await asyncio.sleep(0)
        done = await asyncio.gather(*puts, return_exceptions=True)
        stored = {f"{n}" for n, result in enumerate(done) if isinstance(result, int)}
        assert stored
        assert all(isinstance(result, int | SynclineError) for result in done)
        async with open_test_store(**where) as store:
            assert stored <= set(keys(await every(store.tenant("acme").documents())))
