"""A condition against a value, in Python: what listings filter by. Says exactly what the index's filter says."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from syncline_store.filters.conditions import And, AnyOf, Compare, Condition, Exists, Not, Or, Path, Scalar
from syncline_store.filters.fields import filterable

_ORDERS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def match(condition: Condition | None, value: Mapping[str, Any], only: tuple[str, ...] | None = None) -> bool:
    """Whether a document's value satisfies the condition; None is satisfied by all. `only`: as `filterable` has it."""
    return condition is None or _holds(condition, filterable(value, cut=False, only=only))


def _holds(condition: Condition, fields: Mapping[str, Any]) -> bool:
    match condition:
        case AnyOf(path, values):
            return any(_equal(found, value) for found in _values(fields, path) for value in values)
        case Compare(path, order, bound):
            return any(_is_number(found) and _ORDERS[order](found, bound) for found in _values(fields, path))
        case Exists(path):
            return _at(fields, path) is not None
        case And(parts):
            return all(_holds(part, fields) for part in parts)
        case Or(parts):
            return any(_holds(part, fields) for part in parts)
        case Not(part):
            return not _holds(part, fields)
        case _:
            assert_never(condition)


def _at(fields: Mapping[str, Any], path: Path) -> Any:
    found: Any = fields
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


def _values(fields: Mapping[str, Any], path: Path) -> Sequence[Any]:
    found = _at(fields, path)
    if found is None or isinstance(found, Mapping):
        return ()
    return found if isinstance(found, list) else (found,)


def _equal(found: Any, value: Scalar) -> bool:
    """True is not 1, and 1 is 1.0."""
    return isinstance(found, bool) == isinstance(value, bool) and bool(found == value)


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)
