import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.errors import InvalidDocument, InvalidQuery
from syncline_store import limits
from syncline_store.settings import LimitSettings

LIMITS = LimitSettings()
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
VALUES = st.dictionaries(
    TEXT, st.recursive(SCALARS | TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)), max_size=4
)


@given(VALUES)
def test_what_is_accepted_comes_back_as_it_was_given(value: Any) -> None:
    assert json.loads(limits.checked_value(value, LIMITS)) == value


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([1], "value"),
        ("text", "value"),
        (None, "value"),
        ({"price": math.nan}, "value.price"),
        ({"price": math.inf}, "value.price"),
        ({"a": [1, {"b": -math.inf}]}, "value.a[1].b"),
        ({"a": {1: "x"}}, "value.a"),
        ({None: "x"}, "value"),
        ({"a": (1, 2)}, "value.a"),
        ({"a": b"bytes"}, "value.a"),
        ({"a": {"with space": object()}}, "value.a['with space']"),
        ({"a": 2**63}, "value.a"),
        ({"a": 10**5000}, "value.a"),
        ({"a": ["ok", "\ud800"]}, "value.a[1]"),
        ({"a": {"\udfff": 1}}, "value.a"),
        ({"a": "x" * 1_000_000}, "value"),
        ({"a": "ä" * 500_000}, "value"),
    ],
)
def test_a_bad_value_is_refused_by_the_field_s_name(value: Any, field: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        limits.checked_value(value, LIMITS)
    assert refused.value.field == field


def test_depth_is_bounded_without_recursion() -> None:
    value: dict[str, object] = {}
    inner = value
    for _ in range(100_000):
        inner["a"] = {}
        inner = inner["a"]
    with pytest.raises(InvalidDocument, match="nested deeper than 64"):
        limits.checked_value(value, LIMITS)


def test_a_cycle_is_refused() -> None:
    value: dict[str, object] = {}
    value["self"] = [value]
    with pytest.raises(InvalidDocument, match="nested deeper"):
        limits.checked_value(value, LIMITS)


def test_the_limit_itself_is_allowed() -> None:
    overhead = len('{"a":""}')
    assert limits.checked_value({"a": "x" * (1_000_000 - overhead)}, LIMITS)
    assert limits.checked_ref("t", ("n",) * 10, "k" * 1024, LIMITS).key == "k" * 1024


@pytest.mark.parametrize(
    ("tenant", "namespace", "key", "field"),
    [
        ("", ("n",), "k", "tenant"),
        ("a\nb", ("n",), "k", "tenant"),
        ("t" * 129, ("n",), "k", "tenant"),
        (7, ("n",), "k", "tenant"),
        ("t", (), "k", "namespace"),
        ("t", "notes", "k", "namespace"),
        ("t", {"notes"}, "k", "namespace"),
        ("t", ("n",) * 11, "k", "namespace"),
        ("t", ("a", ""), "k", "namespace[1]"),
        ("t", ("a", 3), "k", "namespace[1]"),
        ("t", ("a\0",), "k", "namespace[0]"),
        ("t", ("ä" * 129,), "k", "namespace[0]"),
        ("t", ("n",), "", "key"),
        ("t", ("n",), "k" * 1025, "key"),
        ("t", ("n",), "ä" * 513, "key"),
        ("t", ("n",), "a\0b", "key"),
        ("t", ("n",), "\ud800", "key"),
        ("t", ("n",), None, "key"),
    ],
)
def test_a_bad_address_is_refused_by_the_field_s_name(tenant: Any, namespace: Any, key: Any, field: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        limits.checked_ref(tenant, namespace, key, LIMITS)
    assert refused.value.field == field


def test_a_prefix_may_be_empty() -> None:
    assert limits.checked_prefix((), LIMITS) == ()
    assert limits.checked_prefix(["a", "b"], LIMITS) == ("a", "b")


@pytest.mark.parametrize(("index", "spec"), [(None, ""), (True, ""), (False, "false"), (["a", "b.c"], '["a", "b.c"]')])
def test_what_is_indexed_becomes_the_row_s_spec(index: Any, spec: str) -> None:
    assert limits.checked_index(index) == spec


@pytest.mark.parametrize("index", ["title", [], [""], [3]])
def test_a_bad_index_is_refused(index: Any) -> None:
    with pytest.raises(InvalidDocument, match="index"):
        limits.checked_index(index)


@pytest.mark.parametrize("ttl", [0, -1, True, "5", math.nan, limits.MAX_TTL + 1])
def test_a_bad_ttl_is_refused(ttl: Any) -> None:
    with pytest.raises(InvalidDocument, match="ttl"):
        limits.checked_ttl(ttl)


def test_a_ttl_is_whole_seconds_rounded_up() -> None:
    assert [limits.checked_ttl(ttl) for ttl in (None, 1, 0.2, 1.5)] == [None, 1, 1, 2]


@pytest.mark.parametrize("limit", [0, -1, 101, True, "5", 2.0])
def test_a_bad_limit_is_refused(limit: Any) -> None:
    with pytest.raises(InvalidQuery, match="limit"):
        limits.checked_limit(limit, 100)


@pytest.mark.parametrize("offset", [-1, 101, None])
def test_a_bad_offset_is_refused(offset: Any) -> None:
    with pytest.raises(InvalidQuery, match="offset"):
        limits.checked_offset(offset, 100)
