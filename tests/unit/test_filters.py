import math
from typing import Any

import pytest

from syncline_contracts.errors import InvalidFilter
from syncline_store.filters import filterable, parse
from syncline_store.filters.conditions import And, AnyOf, Compare, Exists, Not, Or


@pytest.mark.parametrize("asked", [None, {}])
def test_no_filter_is_no_condition(asked: Any) -> None:
    assert parse(asked) is None


@pytest.mark.parametrize(
    ("asked", "condition"),
    [
        ({"kind": "note"}, AnyOf(("kind",), ("note",))),
        ({"a.b": {"$ne": 1}}, Not(AnyOf(("a", "b"), (1,)))),
        ({"a": {"$gt": 1, "$lte": 2.5}}, And((Compare(("a",), "gt", 1), Compare(("a",), "lte", 2.5)))),
        ({"a": None}, Not(Exists(("a",)))),
        ({"a": {"$in": [1, None]}}, Or((AnyOf(("a",), (1,)), Not(Exists(("a",)))))),
        ({"a": 1, "b": 2}, And((AnyOf(("a",), (1,)), AnyOf(("b",), (2,))))),
        ({"$or": ({"a": 1}, {"b": 2})}, Or((AnyOf(("a",), (1,)), AnyOf(("b",), (2,))))),
    ],
)
def test_what_is_written_becomes_conditions(asked: dict[str, Any], condition: object) -> None:
    assert parse(asked) == condition


@pytest.mark.parametrize(
    ("asked", "field", "remedy"),
    [
        ("kind", "filter", "object"),
        ([{"a": 1}], "filter", "object"),
        ({1: 2}, "filter", "strings"),
        ({"$nor": []}, "filter.$nor", r"\$and, \$or"),
        ({"a": {"$regex": "x"}}, "filter.a.$regex", r"\$eq"),
        ({"a": {"b": 1}}, "filter.a.b", r"dotted path: 'a\.b'"),
        ({"a": {}}, "filter.a", "at least one"),
        ({"a": [1]}, "filter.a", r"\$in"),
        ({"a": {"$in": []}}, "filter.a.$in", "at least one"),
        ({"a": {"$in": "note"}}, "filter.a.$in", "list"),
        ({"a": {"$in": range(5)}}, "filter.a.$in", "list"),
        ({"a": {"$in": [1] * 1_001}}, "filter.a.$in", "1000 at most"),
        ({"a": {"$gt": "5"}}, "filter.a.$gt", "number"),
        ({"a": {"$gt": True}}, "filter.a.$gt", "number"),
        ({"a": {"$lt": math.nan}}, "filter.a.$lt", "finite"),
        ({"a": 2**53}, "filter.a", "strings"),
        ({"a": {"$exists": 1}}, "filter.a.$exists", "true or false"),
        ({"a": {"$not": 5}}, "filter.a.$not", r"\$ne"),
        ({"a..b": 1}, "filter.a..b", "single dots"),
        ({"": 1}, "filter.", "single dots"),
        ({'a"b': 1}, 'filter.a"b', "double quotes"),
        ({"a": "\ud800"}, "filter.a", "surrogate"),
        ({"a": b"x"}, "filter.a", "bytes"),
        ({"$and": [{"a": 1}, {"b": {"$x": 1}}]}, "filter.$and[1].b.$x", r"\$eq"),
        ({"$and": [{}]}, "filter.$and[0]", "at least one"),
        ({"$or": {"a": 1}}, "filter.$or", "list"),
    ],
)
def test_a_mistake_is_refused_by_its_place(asked: Any, field: str, remedy: str) -> None:
    with pytest.raises(InvalidFilter, match=remedy) as refused:
        parse(asked)
    assert refused.value.field == field


def test_depth_is_bounded() -> None:
    asked: dict[str, Any] = {"a": 1}
    for _ in range(10_000):
        asked = {"$not": asked}
    with pytest.raises(InvalidFilter, match="nested deeper than 10"):
        parse(asked)


def test_what_is_empty_is_left_out_of_the_fields() -> None:
    value = {"a": None, "b": [], "c": {}, "d": {"e": [None, {}]}, "f": [1, None, [2], {"g": 3}, "x"], "h": {"i": False}, "j": ""}
    assert filterable(value) == {"f": [1, "x"], "h": {"i": False}, "j": ""}
