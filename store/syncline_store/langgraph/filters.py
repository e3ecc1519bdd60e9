"""LangGraph's filters in Syncline's terms.

Most of one is a Syncline filter as it stands. What LangGraph's stores take beyond it (lists that are equal, objects inside objects,
strings in order, numbers that no index holds exactly) is checked on the values themselves; the index is asked for no less.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from syncline_contracts.errors import InvalidFilter
from syncline_store.filters.fields import filter_path
from syncline_store.filters.parse import EXACT

Value = Mapping[str, Any]
Check = Callable[[Value], bool]

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
_OF_FILTERS = ("$and", "$or", "$not")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter in two parts, both of which must hold: `parts` for Syncline, `checks` for the values that it then gives."""

    parts: list[dict[str, Any]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @property
    def filter(self) -> dict[str, Any] | None:
        """What Syncline is asked."""
        return {"$and": self.parts} if self.parts else None

    def holds(self, value: Value) -> bool:
        """Whether a value that satisfies `filter` passes the checks, too."""
        return all(check(value) for check in self.checks)


def wanted(given: Mapping[str, Any] | None) -> Wanted:
    """Raises InvalidFilter, which is a ValueError, for a key that is no path; Syncline does for the rest when it is asked."""
    found = Wanted()
    for name, condition in (given or {}).items():
        if name in _OF_FILTERS:
            found.parts.append({name: condition})
        else:
            _field(found, name, condition)
    return found


def _field(found: Wanted, path: str, condition: Any) -> None:
    if not isinstance(path, str) or filter_path(path) is None:
        raise InvalidFilter("filter", f"Invalid filter key {path!r}: names divided by single dots, without double quotes")
    if not isinstance(condition, Mapping):
        _operator(found, path, "$eq", condition)
    elif any(isinstance(name, str) and name.startswith("$") for name in condition) or not condition:
        for name, operand in condition.items():
            _operator(found, path, name, operand)
    else:
        for name, inner in condition.items():
            _field(found, f"{path}.{name}", inner)


def _operator(found: Wanted, path: str, name: str, operand: Any) -> None:
    if name in ("$eq", "$ne") and (isinstance(operand, list | tuple | Mapping) or _inexact(operand)):
        found.checks.append(_equal(path, operand) if name == "$eq" else _unequal(path, operand))
    elif name in _ORDERS and (isinstance(operand, str) or _inexact(operand)):
        found.parts.append({path: {"$exists": True}})
        found.checks.append(_ordered(path, _ORDERS[name], operand))
    else:
        found.parts.append({path: {name: operand}})


def _inexact(operand: Any) -> bool:
    return isinstance(operand, int | float) and (not math.isfinite(operand) or abs(operand) >= EXACT)


def _equal(path: str, operand: Any) -> Check:
    whole = [*operand] if isinstance(operand, tuple) else operand
    return lambda value: bool(_at(value, path) == whole)


def _unequal(path: str, operand: Any) -> Check:
    equal = _equal(path, operand)
    return lambda value: not equal(value)


def _ordered(path: str, order: Callable[[Any, Any], bool], operand: Any) -> Check:
    """Strings by code points, numbers by size; what is of another kind is in no order."""

    def check(value: Value) -> bool:
        held = _at(value, path)
        if isinstance(operand, str):
            return isinstance(held, str) and order(held, operand)
        return isinstance(held, int | float) and not isinstance(held, bool) and order(held, operand)

    return check


def _at(value: Value, path: str) -> Any:
    held: Any = value
    for name in path.split("."):
        if not isinstance(held, Mapping) or name not in held:
            return None
        held = held[name]
    return held
