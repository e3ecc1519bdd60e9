"""From what the app wrote to conditions: ``{"kind": "note", "price": {"$gte": 5}, "$or": [...]}``.

Fields are dotted paths through objects (a name that itself holds a dot cannot be reached). Operators: $eq $ne $gt $gte $lt $lte
$in $nin $exists $not on a field; $and $or $not on filters. null stands for "not there". Every mistake raises InvalidFilter that
names the place.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from syncline_contracts.errors import InvalidFilter
from syncline_store.filters.conditions import And, AnyOf, Compare, Condition, Exists, Not, Or, Order, Path, Scalar
from syncline_store.filters.fields import filter_path

DEEPEST = 10
MOST_VALUES = 1_000
"""Of one $in, and parts of one filter."""
EXACT = 2**53
"""Below it every integer is a float of its own, so that all sides compare alike."""


def parse(filter: Mapping[str, Any] | None) -> Condition | None:  # noqa: A002 - the word of the public face
    """The condition, None where there is nothing to check. Raises InvalidFilter."""
    return None if filter is None or filter == {} else _filter(filter, "filter", DEEPEST)


def _filter(given: Any, where: str, depth: int) -> Condition:
    _refuse_unless_object(given, where, depth)
    return _all_of([_entry(name, wanted, where, depth) for name, wanted in given.items()])


def _refuse_unless_object(given: Any, where: str, depth: int) -> None:
    if depth == 0:
        raise InvalidFilter(where, f"is nested deeper than {DEEPEST} levels")
    if not isinstance(given, Mapping) or not given:
        raise InvalidFilter(where, "must be an object with at least one condition, such as {'kind': 'note'}")
    if len(given) > MOST_VALUES:
        raise InvalidFilter(where, f"has {len(given)} parts, {MOST_VALUES} at most")


def _entry(name: Any, wanted: Any, where: str, depth: int) -> Condition:
    if not isinstance(name, str):
        raise InvalidFilter(where, f"has the key {name!r}: field names are strings")
    here = f"{where}.{name}"
    if name in ("$and", "$or"):
        parts = tuple(_filter(part, f"{here}[{n}]", depth - 1) for n, part in enumerate(_list(wanted, here)))
        return And(parts) if name == "$and" else Or(parts)
    if name == "$not":
        return Not(_filter(wanted, here, depth - 1))
    if name.startswith("$"):
        raise InvalidFilter(here, f"is no operator on filters; there are $and, $or, $not, and on a field {', '.join(_OPERATORS)}, $not")
    return _field(_path(name, here), wanted, here, depth)


def _field(path: Path, wanted: Any, where: str, depth: int) -> Condition:
    if not isinstance(wanted, Mapping):
        return _equal(path, wanted, where)
    _refuse_unless_object(wanted, where, depth)
    return _all_of([_operator(path, name, operand, where, depth) for name, operand in wanted.items()])


def _operator(path: Path, name: Any, operand: Any, where: str, depth: int) -> Condition:
    here = f"{where}.{name}"
    if name == "$not":
        if not isinstance(operand, Mapping):
            raise InvalidFilter(here, "must be an object of operators, such as {'$gt': 5}; for a plain value use $ne")
        return Not(_field(path, operand, here, depth - 1))
    if name in _OPERATORS:
        return _OPERATORS[name](path, operand, here)
    if isinstance(name, str) and not name.startswith("$"):
        raise InvalidFilter(here, f"to reach into an object use a dotted path: {'.'.join((*path, name))!r}")
    raise InvalidFilter(here, f"is no operator; there are {', '.join(_OPERATORS)}, $not")


def _equal(path: Path, wanted: Any, where: str) -> Condition:
    return _any_of(path, [wanted], where)


def _unequal(path: Path, wanted: Any, where: str) -> Condition:
    return Not(_any_of(path, [wanted], where))


def _in(path: Path, wanted: Any, where: str) -> Condition:
    return _any_of(path, _list(wanted, where), where)


def _not_in(path: Path, wanted: Any, where: str) -> Condition:
    return Not(_in(path, wanted, where))


def _exists(path: Path, wanted: Any, where: str) -> Condition:
    if not isinstance(wanted, bool):
        raise InvalidFilter(where, "must be true or false")
    return Exists(path) if wanted else Not(Exists(path))


def _compare(order: Order) -> Callable[[Path, Any, str], Condition]:
    def compare(path: Path, wanted: Any, where: str) -> Condition:
        if isinstance(wanted, bool) or not isinstance(wanted, int | float):
            raise InvalidFilter(where, "must be a number: only numbers are ordered")
        return Compare(path, order, _number(wanted, where))

    return compare


_OPERATORS: dict[str, Callable[[Path, Any, str], Condition]] = {
    "$eq": _equal,
    "$ne": _unequal,
    "$gt": _compare("gt"),
    "$gte": _compare("gte"),
    "$lt": _compare("lt"),
    "$lte": _compare("lte"),
    "$in": _in,
    "$nin": _not_in,
    "$exists": _exists,
}


def _any_of(path: Path, wanted: list[Any], where: str) -> Condition:
    values = tuple(_scalar(value, where) for value in wanted if value is not None)
    if len(values) == len(wanted):
        return AnyOf(path, values)
    absent = Not(Exists(path))
    return Or((AnyOf(path, values), absent)) if values else absent


def _all_of(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _list(wanted: Any, where: str) -> list[Any]:
    if not isinstance(wanted, list | tuple) or not wanted:
        raise InvalidFilter(where, "must be a list with at least one entry")
    if len(wanted) > MOST_VALUES:
        raise InvalidFilter(where, f"has {len(wanted)} entries, {MOST_VALUES} at most")
    return list(wanted)


def _scalar(value: Any, where: str) -> Scalar:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidFilter(where, "holds half of a surrogate pair") from None
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value, where)
    raise InvalidFilter(where, f"cannot be compared with a {type(value).__name__}: use a string, number, boolean or None; for a list $in")


def _number(value: float, where: str) -> int | float:
    if not math.isfinite(value) or abs(value) >= EXACT:
        raise InvalidFilter(where, "must be a finite number below 2**53, beyond which numbers are not exact: keep larger ones as strings")
    return value


def _path(name: str, where: str) -> Path:
    path = filter_path(name)
    if path is None:
        raise InvalidFilter(where, "is no path: names divided by single dots, without double quotes")
    return path
