"""The fields that a namespace declares as filterable: what they cover, and whether a condition keeps to them."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import assert_never

from syncline_store.filters.conditions import And, AnyOf, Compare, Condition, Exists, Not, Or, Path


class FieldType(StrEnum):
    """Which index a Qdrant server keeps of a field, named as Qdrant names it. It changes how fast a filter is, never what it says.

    Whole numbers are `float` too: an index of integers leaves 4.5 out, so that no range finds it (seen with Qdrant's engine).
    """

    KEYWORD = "keyword"
    """Strings."""
    FLOAT = "float"
    """Numbers, whole ones included."""
    BOOL = "bool"


Declared = tuple[tuple[str, FieldType | None], ...]
"""Dotted paths, each with its type where one was given."""


def undeclared(condition: Condition, declared: Iterable[str]) -> str | None:
    """The first path of a condition that none of the declared ones covers, dotted; a path covers what lies below it."""
    known = {tuple(path.split(".")) for path in declared}
    for path in paths(condition):
        if not any(path[:length] in known for length in range(1, len(path) + 1)):
            return ".".join(path)
    return None


def paths(condition: Condition) -> Iterator[Path]:
    """The fields that it looks at."""
    match condition:
        case AnyOf(path) | Compare(path) | Exists(path):
            yield path
        case And(parts) | Or(parts):
            for part in parts:
                yield from paths(part)
        case Not(part):
            yield from paths(part)
        case _:
            assert_never(condition)
