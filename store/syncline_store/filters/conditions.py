"""A filter once it is parsed: six kinds of condition, matched exhaustively by whoever evaluates them.

A path leads through objects to a scalar, to a list (whose scalars are all candidates: any may satisfy), or nowhere.
"""

from dataclasses import dataclass
from typing import Literal

Path = tuple[str, ...]
Scalar = str | bool | int | float
Order = Literal["gt", "gte", "lt", "lte"]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field holds one of these. Strings equal strings, booleans booleans, numbers numbers (1 equals 1.0)."""

    path: Path
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """The field holds a number in this order to the bound."""

    path: Path
    order: Order
    bound: int | float


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there: not null, not an empty list or object."""

    path: Path


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; without parts, always."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; true of a field that is absent."""

    part: "Condition"


Condition = AnyOf | Compare | Exists | And | Or | Not
