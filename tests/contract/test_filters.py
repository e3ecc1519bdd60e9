"""Both sides of a filter say the same of every document: `match` in Python, and the index over what it keeps."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from syncline_contracts.errors import InvalidFilter
from syncline_store.filters import filterable, match, parse, undeclared
from syncline_store.filters.declared import paths
from syncline_store.filters.fields import LONGEST, MOST_SCALARS
from syncline_store.filters.qdrant import to_qdrant

Values = list[dict[str, Any]]
Filter = dict[str, Any]
Only = tuple[str, ...] | None
Select = Callable[..., list[int]]
"""Values and a filter, and the declared fields where there are any: the numbers of the values that satisfy it."""

COLLECTION = f"filters-{uuid.uuid4().hex}"
NAMES = st.sampled_from(["a", "b", "c d", "ü[0]"])
STRINGS = st.sampled_from(["", "x", "y", "1", "true", "x" * LONGEST, "x" * LONGEST + "1", "x" * LONGEST + "2"])
NUMBERS = st.sampled_from([0, 1, 2, -1, 1.0, 0.5, -0.0, 1e300, 2**53 + 1, -(2**63)])
SCALARS = st.none() | st.booleans() | NUMBERS | STRINGS
VALUES = st.dictionaries(
    NAMES,
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6),
    max_size=4,
)

PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
BOUNDS = st.sampled_from([0, 1, 1.0, 0.5, -1, 2])
ASKED = st.none() | st.booleans() | BOUNDS | st.sampled_from(["", "x", "y", "1", "true", "x" * LONGEST])
OPERATORS = st.one_of(
    st.fixed_dictionaries({}, optional={"$gt": BOUNDS, "$gte": BOUNDS, "$lt": BOUNDS, "$lte": BOUNDS}).filter(bool),
    st.builds(lambda op, x: {op: x}, st.sampled_from(["$eq", "$ne"]), ASKED),
    st.builds(lambda op, x: {op: x}, st.sampled_from(["$in", "$nin"]), st.lists(ASKED, min_size=1, max_size=3)),
    st.builds(lambda x: {"$exists": x}, st.booleans()),
)
FIELDS = st.dictionaries(PATHS, ASKED | OPERATORS | OPERATORS.map(lambda inner: {"$not": inner}), min_size=1, max_size=2)
FILTERS = st.recursive(
    FIELDS,
    lambda inner: st.one_of(
        st.builds(lambda op, parts: {op: parts}, st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3)),
        inner.map(lambda part: {"$not": part}),
    ),
    max_leaves=4,
)


TYPED = {
    "fields.a": models.PayloadSchemaType.FLOAT,
    "fields.b": models.PayloadSchemaType.KEYWORD,
    'fields."c d"': models.PayloadSchemaType.BOOL,
    "fields.a.b": models.PayloadSchemaType.KEYWORD,
    "fields.b.a": models.PayloadSchemaType.FLOAT,
}
"""A server's index changes how fast a filter is, never what it says, whatever the values' types are."""


def by_match(values: Values, asked: Filter, only: Only = None) -> list[int]:
    condition = parse(asked)
    return [number for number, value in enumerate(values) if match(condition, value, only)]


@pytest.fixture(scope="module", params=["memory", "server", "server, indexed"])
def by_index(request: pytest.FixtureRequest) -> Iterator[Select]:
    at_server = request.param != "memory"
    client = (
        QdrantClient(url=request.getfixturevalue("qdrant").url, check_compatibility=False)
        if at_server
        else QdrantClient(location=":memory:")
    )
    client.create_collection(COLLECTION, vectors_config={"dense": models.VectorParams(size=1, distance=models.Distance.DOT)})
    if request.param == "server, indexed":
        for field, kind in TYPED.items():
            client.create_payload_index(COLLECTION, field, kind)

    def select(values: Values, asked: Filter, only: Only = None) -> list[int]:
        client.delete(COLLECTION, points_selector=models.FilterSelector(filter=models.Filter()))
        points = [models.PointStruct(id=n, vector={}, payload={"fields": filterable(value, only=only)}) for n, value in enumerate(values)]
        client.upsert(COLLECTION, points)
        condition = parse(asked)
        where = None if condition is None else to_qdrant(condition)
        found, _ = client.scroll(COLLECTION, scroll_filter=where, limit=len(values) + 1)
        return sorted(int(point.id) for point in found)

    yield select
    client.delete_collection(COLLECTION)
    client.close()


@settings(max_examples=250, deadline=None, derandomize=True)
@given(values=st.lists(VALUES, min_size=1, max_size=12), asked=FILTERS)
def test_match_and_the_index_agree(by_index: Select, values: Values, asked: Filter) -> None:
    assert by_match(values, asked) == by_index(values, asked)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(values=st.lists(VALUES, min_size=1, max_size=12), asked=FILTERS, length=st.integers(1, 3), others=st.lists(PATHS, max_size=2))
def test_match_and_the_index_agree_on_declared_fields(
    by_index: Select, values: Values, asked: Filter, length: int, others: list[str]
) -> None:
    """And, where the limits leave nothing out, they say what they would say without a declaration."""
    condition = parse(asked)
    assert condition is not None
    only = (*others, *{".".join(path[:length]) for path in paths(condition)})
    assert undeclared(condition, only) is None
    assert by_match(values, asked, only) == by_index(values, asked, only) == by_match(values, asked)


@pytest.fixture(params=["match", "index"])
def select(request: pytest.FixtureRequest, by_index: Select) -> Select:
    return by_match if request.param == "match" else by_index


DOCUMENTS: Values = [
    {"kind": "note", "n": 1, "ok": True, "tags": ["a", "b"], "author": {"name": "Ada"}},
    {"kind": "mail", "n": 1.0, "ok": 1, "tags": [], "author": {"name": None}},
    {"kind": None, "n": "1", "ok": False, "tags": ["b", 3], "author": [{"name": "Ada"}]},
    {"n": [0, 10], "ok": "true", "author": {}},
]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"kind": "note"}, [0]),
        ({"kind": {"$ne": "note"}}, [1, 2, 3]),
        ({"kind": None}, [2, 3]),
        ({"kind": {"$ne": None}}, [0, 1]),
        ({"kind": {"$in": ["mail", None]}}, [1, 2, 3]),
        ({"kind": {"$nin": ["mail", None]}}, [0]),
        ({"kind": {"$exists": True}}, [0, 1]),
        ({"n": 1}, [0, 1]),
        ({"n": 1.0}, [0, 1]),
        ({"n": "1"}, [2]),
        ({"ok": True}, [0]),
        ({"ok": 1}, [1]),
        ({"ok": {"$lte": 1}}, [1]),
        ({"tags": "b"}, [0, 2]),
        ({"tags": {"$gt": 2}}, [2]),
        ({"tags": {"$exists": False}}, [1, 3]),
        ({"n": {"$gt": 1, "$lt": 5}}, [3]),
        ({"n": {"$not": {"$gt": 5}}}, [0, 1, 2]),
        ({"author.name": "Ada"}, [0]),
        ({"author": {"$exists": True}}, [0]),
        ({"author": "Ada"}, []),
        ({"$or": [{"kind": "mail"}, {"tags": "a"}]}, [0, 1]),
        ({"$and": [{"n": {"$gte": 0}}, {"n": {"$lt": 1}}]}, [3]),
        ({"$not": {"kind": "note", "n": 1}}, [1, 2, 3]),
    ],
)
def test_what_the_operators_mean(select: Select, asked: Filter, expected: list[int]) -> None:
    assert select(DOCUMENTS, asked) == expected


def test_a_field_of_a_long_string_exists_and_is_no_other_string(select: Select) -> None:
    values = [{"text": "x" * (LONGEST + 50)}, {"text": "x" * LONGEST}]
    assert select(values, {"text": {"$exists": True}}) == [0, 1]
    assert select(values, {"text": "x" * LONGEST}) == [1]
    assert select(values, {"text": {"$ne": "x" * LONGEST}}) == [0]


def test_a_listing_compares_long_strings_whole_and_a_search_refuses_them(by_index: Select) -> None:
    long = "x" * (LONGEST + 50)
    assert by_match([{"text": long}, {"text": long + "y"}], {"text": long}) == [0]
    with pytest.raises(InvalidFilter, match=r"filter\.text: the index keeps 256 characters"):
        by_index([{"text": long}], {"text": long})


def test_the_fields_of_a_huge_value_are_bounded_and_both_sides_know_the_same(select: Select) -> None:
    values = [{"a": list(range(5 * MOST_SCALARS)), "b": 1}, {"b": 1}, {"a": ["x" * 300] * 1_000, "b": 1}]
    assert select(values, {"a": 5}) == [0]
    assert select(values, {"a": 2 * MOST_SCALARS}) == []
    assert select(values, {"b": 1}) == [1]
