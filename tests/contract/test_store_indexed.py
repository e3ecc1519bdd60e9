"""What of a document is indexed, whatever is below: which texts, where a passage stands, and which fields filters see."""

import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from syncline_contracts.errors import InvalidDocument, InvalidFilter
from syncline_contracts.revision import Clock
from syncline_store import Store, TenantView
from syncline_store.embedding.wordllama import WordLlamaEmbedder
from syncline_store.settings import IndexingSettings
from syncline_store.testing import open_test_store
from tests.parts.outbox import deliveries
from tests.parts.servers import cql
from tests.parts.world import a_collection

BOOKS = ("books",)
NOTES = ("notes",)
BOOK = {
    "title": "ships",
    "author": {"name": "anna", "city": "oslo"},
    "chapters": [{"name": "harbour", "text": "ropes"}, {"name": "storm", "text": "waves"}, "loose"],
    "tags": ["sea", "wind"],
    "year": 1912,
}
ALL = "oslo\nanna\nharbour\nropes\nstorm\nwaves\nloose\nsea\nwind\nships"
"""Its texts in the order of the names, which the canonical form has: author, chapters, tags, title."""
LANGUAGES = {
    "english": "The ship left the harbour at dawn and nobody looked back. ",
    "german": "Überm Fluß grübelt der Bär über süße Äpfel nach. ",
    "chinese": "船在黎明时离开了港口，没有人回头看。",  # noqa: RUF001 - Chinese
    "arabic": "غادرت السفينة الميناء عند الفجر ولم ينظر أحد إلى الوراء. ",
    "hindi": "जहाज भोर में बंदरगाह से चला गया और किसी ने पीछे नहीं देखा। ",
    "emoji": "⛵ 👩‍👩‍👧‍👦 left 🌅, e\u0301 and é. ",
}


@pytest.fixture(params=["sqlite", "cql", "index by URL"])
async def where(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    if request.param == "index by URL":
        async with a_collection(request.getfixturevalue("qdrant").url) as at_server:
            yield {"indexing": "inline", **at_server}
    elif request.param == "cql":
        yield {"engine": await cql.open_engine(tmp_path, Clock())}
    else:
        yield {}


@pytest.fixture
async def store(where: dict[str, Any]) -> AsyncIterator[Store]:
    async with open_test_store(**where) as store:
        yield store


@pytest.fixture
def acme(store: Store) -> TenantView:
    return store.tenant("acme")


# ------------------------------------------------------------------ which texts are embedded

PATHS = [
    (["$"], ALL),
    (["title"], "ships"),
    (["author.city", "title"], "oslo\nships"),
    (["chapters[].name"], "harbour\nstorm"),
    (["chapters"], "harbour\nropes\nstorm\nwaves\nloose"),
    (["tags[]"], "sea\nwind"),
    (["title", "nowhere.at.all", "year"], "ships"),
]


@pytest.mark.parametrize(("paths", "text"), PATHS, ids=str)
async def test_a_namespaces_paths_say_what_is_embedded(acme: TenantView, paths: list[str], text: str) -> None:
    assert (await acme.configure(BOOKS, fields=paths)).fields == tuple(paths)
    await acme.put(BOOKS, "b", BOOK)
    (hit,) = await acme.search(BOOKS, query=text)
    assert hit.score == pytest.approx(1.0, abs=1e-5)
    assert (hit.passage, hit.span) == (text, (0, len(text)))


@pytest.mark.parametrize(("paths", "text"), PATHS[1:4], ids=str)
async def test_a_puts_own_paths_come_before_its_namespaces(acme: TenantView, paths: list[str], text: str) -> None:
    await acme.configure(BOOKS, fields=["tags"])
    await acme.put(BOOKS, "own", BOOK, index=paths)
    await acme.put(BOOKS, "other", BOOK)
    assert [(hit.key, hit.passage) for hit in await acme.search(BOOKS, query=text, limit=1)] == [("own", text)]
    assert [(hit.key, hit.passage) for hit in await acme.search(BOOKS, query="sea wind", limit=1)] == [("other", "sea\nwind")]
    await acme.put(BOOKS, "own", BOOK, index=False)
    assert [hit.key for hit in await acme.search(BOOKS)] == ["other"]


async def test_a_namespace_that_embeds_nothing_is_found_by_filter_alone(acme: TenantView) -> None:
    await acme.configure(BOOKS, fields=[])
    await acme.put(BOOKS, "b", BOOK)
    assert await acme.search(BOOKS, query="ships") == []
    assert [(hit.key, hit.passage) for hit in await acme.search(BOOKS, filter={"author.name": "anna"})] == [("b", None)]


async def test_other_settings_than_the_first_are_logged_and_change_nothing(acme: TenantView, caplog: pytest.LogCaptureFixture) -> None:
    first = await acme.configure(BOOKS, fields=["title"], filterable=["year"])
    with caplog.at_level(logging.WARNING):
        assert await acme.configure(BOOKS, fields=["title"], filterable=["year"]) == first
        assert caplog.records == []
        assert await acme.configure(BOOKS, fields=["title"], filterable=["tags"]) == first
    assert "keeps the settings of its first writer" in caplog.text


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"fields": "title"}, r"fields: must be a list of paths such as \['title', 'body.text'\], not a str"),
        ({"fields": ["$.title"]}, r"fields\[0\]: '\$\.title' is no path: '\$' stands for the whole value"),
        ({"fields": ["a", "b..c"]}, r"fields\[1\]: 'b\.\.c' is no path: names divided by single dots"),
        ({"fields": ["items[0]"]}, r"'items\[\]' is every element"),
        ({"fields": ["items[*].name"]}, r"'items\[\]' is every element"),
        ({"fields": ["items[][]"]}, r"'items\[\]' is every element"),
        ({"fields": [3]}, r"fields\[0\]: must be a string"),
        ({"fields": ["a"] * 101}, r"101 paths, 100 at most"),
        ({"filterable": "kind"}, r"filterable: must be paths such as"),
        ({"filterable": ["a..b"]}, r"filterable: 'a\.\.b' is no path"),
        ({"filterable": [3]}, r"filterable: 3 is no path"),
        ({"filterable": {"price": "integer"}}, r"'price' cannot be of the type 'integer': there are 'keyword', 'float', 'bool', and None"),
        ({"filterable": [f"f{n}" for n in range(65)]}, r"65 fields, 64 at most"),
        ({"buckets": 0}, r"buckets: must be 1 to 65,536"),
    ],
)
async def test_what_cannot_be_configured_says_what_can(wanted: dict[str, Any], says: str) -> None:
    async with open_test_store(indexing="relay") as store:
        with pytest.raises(InvalidDocument, match=says):
            await store.tenant("acme").configure(BOOKS, **wanted)
        assert list((await store.tenant("acme").list_namespaces()).items) == []


# ------------------------------------------------------------------ where a passage stands


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("fields", [["body"], ["$"]], ids=str)
async def test_a_passage_is_where_it_says_in_any_language_and_stays_there(fields: list[str], language: str) -> None:
    """Cut by WordLlama's own tokens; a change beside the text refreshes the points without embedding them."""
    body = "".join(f"{number}. {LANGUAGES[language]}" for number in range(40))
    settings = IndexingSettings(passage_tokens=32)
    async with open_test_store(embedder=WordLlamaEmbedder(), indexing_settings=settings) as store:
        acme = store.tenant("acme")
        await acme.configure(NOTES, fields=fields)
        for kind in (1, 2):
            await acme.put(NOTES, "n", {"body": body, "a": "a title", "kind": kind})
            text = body if fields == ["body"] else f"a title\n{body}"
            points = (await (await store.parts.index()).points([acme._ref(NOTES, "n").document])).popitem()[1]
            assert len(points) > 5
            for query in (f"17. {LANGUAGES[language]}", f"39. {LANGUAGES[language]}"):
                (hit,) = await acme.search(NOTES, query=query, filter={"kind": kind})
                assert hit.span is not None
                assert hit.passage is not None
                assert text[slice(*hit.span)] == hit.passage
                assert 0 < len(hit.passage) < len(text) / 4


# ------------------------------------------------------------------ which fields filters see


async def both(acme: TenantView, asked: dict[str, Any], prefix: Sequence[str] = ()) -> list[str]:
    """What search and listing find, which must be the same."""
    found = sorted(hit.key for hit in await acme.search(prefix, filter=asked, limit=100))
    assert found == sorted(document.key for document in (await acme.list(prefix, filter=asked)).items)
    return found


async def test_only_declared_fields_are_kept_and_both_sides_filter_by_them_alike(store: Store, acme: TenantView) -> None:
    await acme.configure(BOOKS, filterable=["year", "author"])
    await acme.put(BOOKS, "b1", BOOK)
    await acme.put(BOOKS, "b2", {"year": "1912", "author": {"name": "bo"}, "tags": ["sea"]})
    await acme.put(BOOKS, "b3", {"tags": ["sea"]})
    assert await both(acme, {"year": 1912}, BOOKS) == ["b1"]
    assert await both(acme, {"author.name": {"$in": ["bo", "anna"]}}, BOOKS) == ["b1", "b2"]
    assert await both(acme, {"author": {"$exists": False}}, BOOKS) == ["b3"]
    assert await both(acme, {"$not": {"author.city": "oslo"}}, BOOKS) == ["b2", "b3"]


@pytest.mark.parametrize(
    "asked",
    [
        {"tags": "sea"},
        {"tags": {"$exists": False}},
        {"year": 1912, "title": {"$ne": "ships"}},
        {"$or": [{"year": 1}, {"$not": {"tags": "x"}}]},
        {"author": {"$exists": True}},
    ],
    ids=str,
)
async def test_a_search_by_another_field_is_refused_and_a_listing_answers(acme: TenantView, asked: dict[str, Any]) -> None:
    """The index would take the field for absent, and so answer wrongly."""
    await acme.configure(BOOKS, filterable=["year", "author.name"])
    await acme.put(BOOKS, "b", BOOK)
    with pytest.raises(
        InvalidFilter, match=r"is not filterable in the namespace \('books',\) \(declared there: author\.name, year\).* list\("
    ):
        await acme.search(BOOKS, filter=asked)
    with pytest.raises(InvalidFilter):
        await acme.search((), query="ships", filter=asked)
    await acme.put(NOTES, "n", BOOK)
    await acme.search(NOTES, filter=asked)  # not declared there: all can be filtered by
    assert [document.key for document in (await acme.list(BOOKS, filter={"tags": "sea"})).items] == ["b"]


async def test_a_namespace_that_declares_none_can_be_searched_without_a_filter_alone(acme: TenantView) -> None:
    await acme.configure(BOOKS, filterable=[])
    await acme.put(BOOKS, "b", BOOK)
    assert [hit.key for hit in await acme.search(BOOKS, query="ships")] == ["b"]
    with pytest.raises(InvalidFilter, match=r"declared there: none"):
        await acme.search(BOOKS, filter={"year": 1912})


async def test_another_tenants_declarations_are_its_own(store: Store, acme: TenantView) -> None:
    await store.tenant("other").configure(BOOKS, filterable=["year"])
    await acme.put(BOOKS, "b", BOOK)
    assert await both(acme, {"tags": "sea"}, BOOKS) == ["b"]


async def test_a_declared_field_is_kept_however_much_else_there_is(acme: TenantView) -> None:
    """Without a declaration the limits may leave it out (docs/indexing.md); with one they count nothing else."""
    await acme.configure(BOOKS, filterable=["z"])
    await acme.put(BOOKS, "b", {"a": list(range(2_000)), "z": 1})
    await acme.put(NOTES, "n", {"a": list(range(2_000)), "z": 1})
    assert await both(acme, {"z": 1}, BOOKS) == ["b"]
    assert await both(acme, {"z": 1}, NOTES) == []


async def test_a_document_that_changed_meanwhile_is_judged_by_what_is_declared(where: dict[str, Any]) -> None:
    """The index is behind: the source's row decides, by the same fields."""
    async with open_test_store(**{**where, "indexing": "relay"}) as store:
        acme = store.tenant("acme")
        await acme.configure(BOOKS, filterable=["z"])
        await acme.put(BOOKS, "b", {"a": list(range(2_000)), "z": 1})
        indexer = await store.parts.indexer()
        await indexer.index(await deliveries(store.parts.engine))
        await acme.put(BOOKS, "b", {"a": list(range(2_000)), "z": 1, "new": True})
        assert [hit.key for hit in await acme.search(BOOKS, filter={"z": 1})] == ["b"]
        await acme.put(BOOKS, "b", {"a": list(range(2_000)), "z": 2})
        assert await acme.search(BOOKS, filter={"z": 1}) == []


async def test_a_server_has_an_index_of_each_typed_field_and_answers_as_before(qdrant: Any) -> None:
    async with a_collection(qdrant.url) as at_server, open_test_store(indexing="inline", **at_server) as store:
        acme = store.tenant("acme")
        await acme.configure(
            BOOKS, filterable={"price": "float", "author.name": "keyword", "open": "bool", "c d": "keyword", "plain": None}
        )
        await acme.configure(NOTES, filterable={"price": "keyword", "stars": "float"})
        values = [
            {"price": 4, "open": True},
            {"price": 4.5, "author": {"name": "anna"}},
            {"price": "4", "plain": 1, "c d": "x"},
            {"open": "yes"},
        ]
        await acme.put_many([(BOOKS, f"b{number}", value) for number, value in enumerate(values)])
        await acme.put(NOTES, "n", {"price": 4, "stars": 5})
        client = AsyncQdrantClient(url=qdrant.url, check_compatibility=False)
        schema = (await client.get_collection(at_server["collection"])).payload_schema
        await client.close()
        made = {name: kind.data_type.value for name, kind in schema.items() if name.startswith("fields.")}
        assert made == {
            "fields.price": "float",
            "fields.author.name": "keyword",
            "fields.open": "bool",
            'fields."c d"': "keyword",
            "fields.stars": "float",
        }
        for asked, expected in (
            ({"price": 4}, ["b0"]),
            ({"price": "4"}, ["b2"]),
            ({"price": {"$gte": 4.2}}, ["b1"]),
            ({"price": {"$lt": 4.5}}, ["b0"]),
            ({"price": {"$exists": False}}, ["b3"]),
            ({"open": True}, ["b0"]),
            ({"open": "yes"}, ["b3"]),
            ({"author.name": "anna"}, ["b1"]),
            ({"c d": {"$ne": "x"}}, ["b0", "b1", "b3"]),
            ({"plain": 1}, ["b2"]),
        ):
            assert await both(acme, asked, BOOKS) == expected, asked


async def test_payload_indexes_are_bounded_and_what_is_beyond_is_filtered_without(
    qdrant: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("syncline_store.index.declared.MOST_INDEXED", 2)
    async with a_collection(qdrant.url) as at_server, open_test_store(indexing="inline", **at_server) as store:
        acme = store.tenant("acme")
        await acme.configure(BOOKS, filterable=dict.fromkeys("abc", "float"))
        await acme.configure(NOTES, filterable=dict.fromkeys("def", "float"))
        await acme.put(BOOKS, "b", {"a": 1, "c": 3})
        await acme.put(NOTES, "n", {"d": 1})
        client = AsyncQdrantClient(url=qdrant.url, check_compatibility=False)
        schema = (await client.get_collection(at_server["collection"])).payload_schema
        await client.close()
        assert {name for name in schema if name.startswith("fields.")} == {"fields.a", "fields.b"}
        assert await both(acme, {"c": 3}, BOOKS) == ["b"]
        assert await both(acme, {"d": 1}, NOTES) == ["n"]
    assert [record.message for record in caplog.records if "declare types for fewer fields" in record.message] != []
