"""LangGraph's store interface, on every kind of store: searches by filter and by meaning."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import PutOp, SearchOp

from syncline_contracts.errors import InvalidDocument, InvalidFilter
from tests.parts.langgraph import FACES, Face, WordEmbeddings, indexing, open_face

DOCS = ("docs",)


@pytest.fixture(params=FACES)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
async def store(kind: str, tmp_path: Path) -> AsyncIterator[Face]:
    async with open_face(kind, tmp_path, index=indexing()) as face:
        await face.abatch([])
        yield face


async def keys(store: Face, **asked: Any) -> list[str]:
    return [item.key for item in await store.asearch(DOCS, **{"limit": 100, **asked})]


# ---------------------------------------------------------------------- by filter

VALUES: dict[str, dict[str, Any]] = {
    "a": {"n": 2, "name": "apple", "tags": ["red", "small"], "open": True, "at": {"city": "Rome", "no": 1}},
    "b": {"n": 9, "name": "banana", "tags": ["red"], "open": False, "at": {"city": "Oslo", "no": 1}},
    "c": {"n": 10.5, "name": "Cherry", "tags": [], "access-level": "x", "1st": "y"},
    "d": {"n": "11", "name": "O'Brien's \0", "at": "Rome", "pairs": [{"a": 1}]},
    "e": {"n": None, "big": 2**60},
}


@pytest.fixture
async def filled(store: Face) -> Face:
    await store.abatch([PutOp(DOCS, key, value, index=["name"]) for key, value in VALUES.items()])
    return store


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "abcde"),
        ({}, "abcde"),
        ({"n": 9}, "b"),
        ({"n": {"$eq": 9}}, "b"),
        ({"n": {"$ne": 9}}, "acde"),
        ({"n": {"$gt": 9}}, "c"),
        ({"n": {"$gte": 9}}, "bc"),
        ({"n": {"$lt": 10}}, "ab"),
        ({"n": {"$lte": 9, "$gt": 2}}, "b"),
        ({"n": {"$lt": math.inf}}, "abc"),
        ({"n": {"$gt": -math.inf}}, "abc"),
        ({"n": {"$lt": 10**100}}, "abc"),
        ({"n": math.nan}, ""),
        ({"big": 2**60}, "e"),
        ({"big": {"$gt": 2**60}}, ""),
        ({"n": None}, "e"),
        ({"missing": {"$gt": 0}}, ""),
        ({"missing": {"$ne": 0}}, "abcde"),
        ({"name": {"$gt": "apple"}}, "b"),
        ({"name": {"$lte": "apple"}}, "acd"),
        ({"name": "O'Brien's \0"}, "d"),
        ({"name": "apple' OR '1'='1"}, ""),
        ({"tags": ["red"]}, "b"),
        ({"tags": ("red", "small")}, "a"),
        ({"tags": []}, "c"),
        ({"tags": {"$ne": ["red"]}}, "acde"),
        ({"pairs": [{"a": 1}]}, "d"),
        ({"open": True}, "a"),
        ({"open": False}, "b"),
        ({"at": {"city": "Rome"}}, "a"),
        ({"at": {"city": "Rome", "no": {"$gte": 1}}}, "a"),
        ({"at.city": "Rome"}, "a"),
        ({"at": "Rome"}, "d"),
        ({"access-level": "x", "1st": "y"}, "c"),
        ({"n": {"$in": [2, 9]}, "open": {"$exists": True}}, "ab"),
        ({"$or": [{"n": 2}, {"name": "banana"}]}, "ab"),
        ({"n": {"$gte": 2}, "open": True, "tags": ["red", "small"]}, "a"),
    ],
    ids=repr,
)
async def test_a_filter_means_the_same_with_and_without_a_query(filled: Face, given: dict[str, Any] | None, expected: str) -> None:
    assert "".join(await keys(filled, filter=given)) == expected
    with_names = "".join(key for key in expected if "name" in VALUES[key])
    assert "".join(sorted(await keys(filled, query="apple", filter=given))) == with_names


@pytest.mark.parametrize(
    "given",
    [
        {"n": {"$near": 1}},
        {"$nor": [{"n": 1}]},
        {"n": {"$gt": True}},
        {"n": {"$gt": None}},
        {"n": {"$in": 5}},
        {"at": {"city": "Rome", "$gt": 1}},
        {"": 1},
        {"a..b": 1},
        {'x") = 1 OR ("': 1},
        {"n": object()},
    ],
    ids=repr,
)
async def test_what_is_no_filter_is_an_error_and_never_a_match(filled: Face, given: dict[str, Any]) -> None:
    for query in (None, "apple"):
        with pytest.raises(InvalidFilter):
            await filled.asearch(DOCS, query=query, filter=given)
    with pytest.raises(ValueError, match="Invalid filter key"):
        await filled.asearch(DOCS, filter={"x') OR ('1.": 1})


async def test_pages_by_filter_are_in_order_and_complete(store: Face) -> None:
    await store.abatch([PutOp(DOCS, f"k{n:03}", {"n": n, "even": n % 2 == 0}, index=False) for n in range(60)])
    pages = [await keys(store, filter={"even": True}, limit=12, offset=offset) for offset in (0, 12, 24)]
    assert [key for page in pages for key in page] == [f"k{n:03}" for n in range(0, 60, 2)]
    assert await keys(store, limit=0) == []
    assert await keys(store, offset=100) == []


async def test_a_prefix_holds_what_is_below_it_and_no_more(store: Face) -> None:
    namespaces = [("user",), ("user", "x"), ("user", "x", "y"), ("users",), ("users", "x"), ("xuser",)]
    await store.abatch([PutOp(namespace, "k", {"text": "same words"}) for namespace in namespaces])
    for query in (None, "words"):
        found = {item.namespace for item in await store.asearch(("user",), query=query)}
        assert found == {("user",), ("user", "x"), ("user", "x", "y")}
        assert {item.namespace for item in await store.asearch((), query=query)} == set(namespaces)


# ---------------------------------------------------------------------- by meaning


async def test_a_put_is_found_by_the_next_search_and_an_update_moves_it(store: Face) -> None:
    await store.aput(DOCS, "zebra", {"text": "zany zebra"})
    await store.aput(DOCS, "dogs", {"text": "about dogs"})
    before = await store.asearch(DOCS, query="zany zebra")
    assert before[0].key == "zebra"
    assert before[0].score is not None
    await store.aput(DOCS, "zebra", {"text": "news of dogs"})
    after = {item.key: item.score or 0.0 for item in await store.asearch(DOCS, query="zany zebra")}
    assert after["zebra"] < before[0].score
    assert [item.key for item in await store.asearch(DOCS, query="news of dogs")] == ["zebra", "dogs"]


async def test_best_first_with_scores_in_pages(store: Face) -> None:
    await store.abatch([PutOp(DOCS, f"k{n}", {"text": "cat " * n + "dog " * (5 - n)}, index=["text"]) for n in range(6)])
    found = await store.asearch(DOCS, query="cat", limit=6)
    assert [item.key for item in found] == ["k5", "k4", "k3", "k2", "k1", "k0"]
    scores = [item.score or 0.0 for item in found]
    assert scores == sorted(scores, reverse=True)
    assert await keys(store, query="cat", limit=2, offset=2) == ["k3", "k2"]


async def test_what_is_kept_out_of_the_index_is_found_by_filter_alone(store: Face) -> None:
    await store.aput(DOCS, "in", {"text": "about dogs", "n": 1})
    await store.aput(DOCS, "out", {"text": "about dogs", "n": 1}, index=False)
    await store.aput(DOCS, "empty", {"text": "about dogs", "n": 1}, index=[])
    assert await keys(store, query="about dogs") == ["in"]
    assert await keys(store, filter={"n": 1}) == ["empty", "in", "out"]
    assert [item.score for item in await store.asearch(DOCS)] == [None, None, None]
    await store.aput(DOCS, "in", {"text": "about dogs", "n": 1}, index=False)
    assert await keys(store, query="about dogs") == []
    await store.aput(DOCS, "out", {"text": "about dogs", "n": 1})
    assert await keys(store, query="about dogs") == ["out"]


@pytest.mark.parametrize("query", ["", " \n", None])
async def test_without_words_there_is_no_query(store: Face, query: str | None) -> None:
    await store.aput(DOCS, "k", {"text": "words"})
    (item,) = await store.asearch(DOCS, query=query)
    assert item.score is None


@pytest.mark.parametrize("query", ["words " * 100, "words!@#$%^&*()", "\U0001f984", "मेरा नाम"])
async def test_any_query_is_answered(store: Face, query: str) -> None:
    await store.aput(DOCS, "k", {"text": "words"})
    assert await keys(store, query=query) == ["k"]


async def test_every_script_finds_its_own(store: Face) -> None:
    texts = {"zh": "这是 中文", "ja": "これは 日本語です", "ko": "이건 한국어야", "ru": "Это русский", "hi": "यह हिन्दी है"}
    await store.abatch([PutOp(("u", "memories"), key, {"text": text}) for key, text in texts.items()])
    for key, text in texts.items():
        assert (await store.asearch(("u", "memories"), query=text))[0].key == key


# ---------------------------------------------------------------------- which texts


async def test_each_field_has_a_vector_and_the_best_one_counts(kind: str, tmp_path: Path) -> None:
    embeddings = WordEmbeddings()
    async with open_face(kind, tmp_path, index=indexing(embeddings, ["one", "two", "four"])) as store:
        await store.aput(DOCS, "x", {"two": "xxx", "three": "yyy", "four": "zzz"})
        await store.aput(DOCS, "u", {"one": "uuu", "two": "vvv", "three": "www", "four": "xxx"})
        for query, best in (("uuu", "u"), ("zzz", "x")):
            found = await store.asearch(DOCS, query=query)
            assert found[0].key == best
            assert found[0].score == pytest.approx(1, abs=1e-3)
        both = await store.asearch(DOCS, query="xxx")
        assert [item.score for item in both] == [pytest.approx(1, abs=1e-3)] * 2
        assert all((item.score or 0) < 0.9 for item in await store.asearch(DOCS, query="www"))
        assert set(embeddings.documents) == {"xxx", "zzz", "uuu", "vvv"}


async def test_a_put_may_name_its_own_fields(kind: str, tmp_path: Path) -> None:
    async with open_face(kind, tmp_path, index=indexing(fields=["nowhere"])) as store:
        await store.aput(DOCS, "a", {"k0": "aaa", "k1": "bbb", "k2": "ccc"}, index=["k0", "k1"])
        await store.aput(DOCS, "e", {"k0": "eee", "k1": "bbb", "k3": "ggg"}, index=["k1", "k3"])
        await store.aput(DOCS, "default", {"k0": "aaa"})
        assert (await keys(store, query="aaa"))[0] == "a"
        assert (await keys(store, query="ggg"))[0] == "e"
        assert [item.score for item in await store.asearch(DOCS, query="bbb")] == [pytest.approx(1, abs=1e-3)] * 2
        assert all((item.score or 0) < 0.9 for item in await store.asearch(DOCS, query="ccc"))


async def test_two_puts_with_fields_of_their_own_do_not_mix(kind: str, tmp_path: Path) -> None:
    embeddings = WordEmbeddings()
    async with open_face(kind, tmp_path, index=indexing(embeddings)) as store:
        value = {"one": "aaa", "two": "bbb"}
        await asyncio.gather(
            store.aput(DOCS, "first", value, index=["one"]),
            store.aput(DOCS, "second", value, index=["two"]),
            store.aput(DOCS, "third", value, index=False),
        )
        assert set(embeddings.documents) == {"aaa", "bbb"}
        assert [item.key for item in await store.asearch(DOCS, query="aaa", limit=1)] == ["first"]
        assert [item.key for item in await store.asearch(DOCS, query="bbb", limit=1)] == ["second"]


PATHS = {
    "chapters[*].title": ["Begin", "Middle", "End"],
    "chapters[0].title": ["Begin"],
    "chapters[-1].title": ["End"],
    "chapters[7].title": [],
    "chapters[*].notes[*]": ["one", "two", "three"],
    "chapters[].notes[0]": ["one", "three"],
    "meta.author.name": ["Ann"],
    "meta.{title,year}": ["Tale", "1999"],
    "meta.*": ['{"name": "Ann"}', "Tale", "1999"],
    "meta.author": ['{"name": "Ann"}'],
    "meta.missing": [],
    "nothing": [],
    "flag": ["true"],
    "grid[*][0]": ["1", "3"],
}
BOOK = {
    "chapters": [{"title": "Begin", "notes": ["one", "two"]}, {"title": "Middle"}, {"title": "End", "notes": ["three"]}],
    "meta": {"author": {"name": "Ann"}, "title": "Tale", "year": 1999},
    "flag": True,
    "nothing": None,
    "grid": [[1, 2], [3]],
}


@pytest.mark.parametrize("kind", ["in memory"])
@pytest.mark.parametrize("path", PATHS)
async def test_paths_lead_into_objects_and_lists(kind: str, tmp_path: Path, path: str) -> None:
    embeddings = WordEmbeddings()
    async with open_face(kind, tmp_path, index=indexing(embeddings, ["nowhere"])) as store:
        await store.aput(DOCS, "k", BOOK, index=[path])
        assert set(embeddings.documents) == set(PATHS[path])


@pytest.mark.parametrize("path", ["", "a..b", "$.a", "[0]"])
async def test_what_is_no_path_is_refused(store: Face, path: str) -> None:
    with pytest.raises(InvalidDocument, match="index"):
        await store.aput(DOCS, "k", {"a": "text"}, index=[path])
    assert await store.aget(DOCS, "k") is None


@pytest.mark.parametrize("query", ["aaa", "bbb", "aaa bbb", "poisson"])
async def test_a_score_is_the_cosine(kind: str, tmp_path: Path, query: str) -> None:
    embeddings = WordEmbeddings()
    async with open_face(kind, tmp_path, index=indexing(embeddings, ["text"])) as store:
        await store.aput(DOCS, "k", {"text": "aaa ccc"}, index=["text", "missing"])
        (item,) = await store.asearch((), query=query)
        assert item.score == pytest.approx(await embeddings.likeness("aaa ccc", query), abs=1e-3)
        assert embeddings.queries == [query]
        assert set(embeddings.documents) == {"aaa ccc"}


async def test_by_default_the_whole_value_is_embedded_names_and_all(kind: str, tmp_path: Path) -> None:
    embeddings = WordEmbeddings()
    async with open_face(kind, tmp_path, index=indexing(embeddings)) as store:
        await store.aput(DOCS, "k", {"food": "plums", "age": 7})
        assert set(embeddings.documents) == {'{"age": 7, "food": "plums"}'}
        assert (await store.asearch(DOCS, query="food"))[0].score is not None


# ---------------------------------------------------------------------- many


async def test_a_small_namespace_gets_its_hits_however_many_others_match_better(store: Face) -> None:
    await store.abatch([PutOp(("crowd", f"c{n % 7}"), f"k{n}", {"text": "cat cat cat"}) for n in range(300)])
    await store.aput(("quiet",), "only", {"text": "one cat among dogs"})
    assert [item.key for item in await store.asearch(("quiet",), query="cat")] == ["only"]


async def test_a_page_is_filled_although_checks_drop_the_nearest(store: Face) -> None:
    await store.abatch([PutOp(DOCS, f"near{n}", {"text": "cat", "tags": ["no"]}) for n in range(60)])
    await store.abatch([PutOp(DOCS, f"far{n}", {"text": "cat and dog", "tags": ["yes"]}) for n in range(5)])
    assert sorted(await keys(store, query="cat", filter={"tags": ["yes"]}, limit=5)) == [f"far{n}" for n in range(5)]
    assert len(await keys(store, query="cat", filter={"tags": ["no"]}, limit=50, offset=20)) == 40


async def test_searches_of_one_batch_have_their_own_answers(store: Face) -> None:
    await store.abatch([PutOp(DOCS, name, {"text": name}) for name in ("cat", "dog", "bird")])
    names = ["dog", "bird", "cat", "dog"]
    answers = await store.abatch([SearchOp(DOCS, query=name, limit=1) for name in names])
    assert [[item.key for item in answer] for answer in answers if isinstance(answer, list)] == [[name] for name in names]  # type: ignore[union-attr] # items all
