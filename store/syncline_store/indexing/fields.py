"""What of a value can be filtered by: its scalars, nested as they are, so that Qdrant's dotted paths find them.

Kept: booleans, whole numbers of 64 bits, finite numbers, strings up to MAX_STRING characters, lists of those, and objects of all
that. Left out: null, longer strings, objects inside lists, and what comes after MAX_LEAVES.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

MAX_STRING = 512
"""Characters of a string that can be filtered by."""
MAX_LEAVES = 512
"""Scalars of one document, elements of lists counted each."""
MAX_INTEGER = 2**63 - 1

Scalar = bool | int | float | str


def filterable(value: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a JSON object that goes into the payload under `fields`."""
    return _object(value, iter(range(MAX_LEAVES)))


def is_filterable(value: object) -> bool:
    """Whether this is a scalar that the payload keeps."""
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -MAX_INTEGER <= value <= MAX_INTEGER
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str) and len(value) <= MAX_STRING


def _object(value: Mapping[str, Any], room: Iterator[int]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, given in value.items():
        found = _object(given, room) if isinstance(given, dict) else _leaf(given, room)
        if found is not None and found not in ({}, []):
            kept[name] = found
    return kept


def _leaf(value: Any, room: Iterator[int]) -> Scalar | list[Scalar] | None:
    if isinstance(value, list):
        return [element for element in value if is_filterable(element) and next(room, None) is not None]
    return value if is_filterable(value) and next(room, None) is not None else None
