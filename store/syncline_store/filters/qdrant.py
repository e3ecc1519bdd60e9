"""A condition as a Qdrant filter over the payload's `fields`."""

import re
from typing import assert_never

from qdrant_client import models

from syncline_contracts.errors import InvalidFilter
from syncline_store.filters.conditions import And, AnyOf, Compare, Condition, Exists, Not, Or, Path, Scalar
from syncline_store.filters.fields import LONGEST
from syncline_store.index.points import Field

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def to_qdrant(condition: Condition) -> models.Filter:
    """The filter. Raises InvalidFilter for a string longer than the index keeps."""
    match condition:
        case AnyOf(path, values):
            return models.Filter(should=_any_of(path, values))
        case Compare(path, order, bound):
            return models.Filter(must=[models.FieldCondition(key=field_key(path), range=models.Range(**{order: bound}))])
        case Exists(path):
            return models.Filter(must_not=[models.IsEmptyCondition(is_empty=models.PayloadField(key=field_key(path)))])
        case And(parts):
            return models.Filter(must=[to_qdrant(part) for part in parts])
        case Or(parts):
            return models.Filter(should=[to_qdrant(part) for part in parts])
        case Not(part):
            return models.Filter(must_not=[to_qdrant(part)])
        case _:
            assert_never(condition)


def _any_of(path: Path, values: tuple[Scalar, ...]) -> list[models.Condition]:
    """Strings share one condition. Numbers are ranges of one number: an exact match tells 1 from 1.0."""
    key = field_key(path)
    strings = [_short(value, path) for value in values if isinstance(value, str)]
    conditions: list[models.Condition] = []
    if strings:
        conditions.append(models.FieldCondition(key=key, match=models.MatchAny(any=strings)))
    for value in values:
        if isinstance(value, bool):
            conditions.append(models.FieldCondition(key=key, match=models.MatchValue(value=value)))
        elif not isinstance(value, str):
            conditions.append(models.FieldCondition(key=key, range=models.Range(gte=value, lte=value)))
    return conditions


def _short(value: str, path: Path) -> str:
    if len(value) > LONGEST:
        raise InvalidFilter(
            f"filter.{'.'.join(path)}",
            f"the index keeps {LONGEST} characters of a string, this one has {len(value):,}: list(filter=...) compares all",
        )
    return value


def field_key(path: Path) -> str:
    """Where the field stands in the payload, as Qdrant writes paths."""
    return ".".join((Field.FIELDS, *(name if _PLAIN.fullmatch(name) else f'"{name}"' for name in path)))
