"""Qdrant's JSON in the engine's words. What is not understood is refused, never left out of a filter."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge

Json = Mapping[str, Any]


class RefusedError(Exception):
    """The request is answered with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def only(given: Json, *known: str) -> None:
    """Refuse what nobody here would look at."""
    if unknown := {name for name, value in given.items() if value is not None} - set(known):
        raise RefusedError(400, f"the stand-in does not know {sorted(unknown)}")


def as_filter(given: Json | None) -> edge.Filter | None:
    """A filter; None where there is none."""
    return None if given is None else _filter(given)


def _filter(given: Json) -> edge.Filter:
    only(given, "must", "should", "must_not", "min_should")
    least = given.get("min_should")
    return edge.Filter(
        must=_conditions(given.get("must")),
        should=_conditions(given.get("should")),
        must_not=_conditions(given.get("must_not")),
        min_should=None if least is None else edge.MinShould(_conditions(least["conditions"]) or [], least["min_count"]),
    )


def _conditions(given: Any) -> list[Any] | None:
    if given is None:
        return None
    return [_condition(each) for each in (given if isinstance(given, list) else [given])]


_CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "is_empty": lambda given: edge.IsEmptyCondition(given["key"]),
    "is_null": lambda given: edge.IsNullCondition(given["key"]),
    "has_id": lambda given: edge.HasIdCondition({as_id(each) for each in given}),
    "has_vector": edge.HasVectorCondition,
    "nested": lambda given: edge.NestedCondition(given["key"], _filter(given["filter"])),
}


def _condition(given: Json) -> Any:
    if "key" in given:
        return _field(given)
    for name, condition in _CONDITIONS.items():
        if name in given:
            return condition(given[name])
    return _filter(given)


def _field(given: Json) -> edge.FieldCondition:
    only(given, "key", "match", "range", "is_empty", "is_null")
    bounds = given.get("range")
    return edge.FieldCondition(
        given["key"],
        match=None if given.get("match") is None else _match(given["match"]),
        range=None if bounds is None else _range(bounds),
        is_empty=given.get("is_empty"),
        is_null=given.get("is_null"),
    )


def _match_value(value: Any) -> edge.MatchValue:
    """The engine's binding takes True for 1, but not numpy's."""
    exact: Any = np.bool_(value) if isinstance(value, bool) else value
    return edge.MatchValue(exact)


_MATCHES: dict[str, Callable[[Any], Any]] = {"value": _match_value, "any": edge.MatchAny, "except": edge.MatchExcept}


def _match(given: Json) -> Any:
    only(given, *_MATCHES)
    ((name, value),) = ((name, value) for name, value in given.items() if value is not None)
    return _MATCHES[name](value)


def _range(given: Json) -> Any:
    only(given, "gte", "gt", "lte", "lt")
    bounds = {name: value for name, value in given.items() if value is not None}
    if any(isinstance(value, str) for value in bounds.values()):
        return edge.RangeDateTime(**bounds)
    return edge.RangeFloat(**bounds)


def as_id(given: Any) -> Any:
    """A number, or a UUID in words."""
    if isinstance(given, int):
        return given
    try:
        return UUID(given)
    except (ValueError, TypeError, AttributeError):
        raise RefusedError(400, f"value {given} is not a valid point ID, valid values are either an unsigned integer or a UUID") from None


def as_selection(given: Any, *, otherwise: bool) -> Any:
    """`with_payload`: all, none, some keys, or all but some."""
    if given is None:
        return otherwise
    if not isinstance(given, dict):
        return given
    only(given, "include", "exclude")
    selector: Any = edge.PayloadSelector
    return selector.Include(given["include"]) if given.get("include") is not None else selector.Exclude(given["exclude"])


def as_query(given: Any, using: str | None) -> Any:
    """The nearest to a vector; None for no order at all."""
    if isinstance(given, dict) and "fusion" in given:
        only(given, "fusion")
        return edge.Fusion.Rrf(2) if given["fusion"] == "rrf" else _unknown_query()
    if isinstance(given, dict) and "nearest" in given:
        only(given, "nearest")
        given = given["nearest"]
    return None if given is None else edge.Query.Nearest(as_vector(given), using=using)


def as_prefetches(given: Any) -> list[edge.Prefetch]:
    """What is ranked before it is fused."""
    return [_prefetch(each) for each in (given if isinstance(given, list) else [given] if given else [])]


def _prefetch(given: Json) -> edge.Prefetch:
    only(given, "query", "using", "filter", "limit", "prefetch")
    return edge.Prefetch(
        limit=given.get("limit") or 10,
        query=as_query(given.get("query"), given.get("using")),
        filter=as_filter(given.get("filter")),
        prefetches=as_prefetches(given.get("prefetch")),
    )


def as_vector(given: Any) -> Any:
    """Dense as it is, sparse in the engine's own words."""
    if isinstance(given, dict):
        only(given, "indices", "values")
        return edge.SparseVector(given["indices"], given["values"])
    return given if isinstance(given, list) else _unknown_query()


def _unknown_query() -> Any:
    raise RefusedError(400, "the stand-in knows vectors, dense and sparse, and reciprocal rank fusion alone")


_SCHEMAS: dict[str, Any] = {
    "keyword": edge.KeywordIndexParams,
    "integer": edge.IntegerIndexParams,
    "float": edge.FloatIndexParams,
    "bool": edge.BoolIndexParams,
    "datetime": edge.DatetimeIndexParams,
    "uuid": edge.UuidIndexParams,
    "text": edge.TextIndexParams,
    "geo": edge.GeoIndexParams,
}


def as_schema(given: Any) -> Any:
    """A payload index's parameters: its type alone, or with its settings."""
    settings = {"type": given} if isinstance(given, str) else {name: value for name, value in given.items() if value is not None}
    kind = settings.pop("type")
    if kind not in _SCHEMAS:
        raise RefusedError(400, f"unknown payload index {kind!r}")
    return _SCHEMAS[kind](**settings)
