"""Which namespaces a listing asks for."""

from collections.abc import Sequence

from langgraph.store.base import MatchCondition

from syncline_contracts.errors import InvalidQuery
from syncline_contracts.identity import Namespace

ANY = "*"
"""Stands for exactly one part."""


def matches(condition: MatchCondition, namespace: Namespace) -> bool:
    """Whether the namespace begins, or ends, as the path says. Raises InvalidQuery for another kind of condition."""
    path = tuple(condition.path)
    if condition.match_type not in ("prefix", "suffix"):
        raise InvalidQuery("match_type", f"must be 'prefix' or 'suffix', not {condition.match_type!r}")
    if len(namespace) < len(path):
        return False
    parts = namespace[: len(path)] if condition.match_type == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in (ANY, part) for wanted, part in zip(path, parts, strict=True))


def head(conditions: Sequence[MatchCondition]) -> Namespace:
    """The longest literal beginning that a prefix condition asks for: below it lies all that can match."""
    heads = [_literal(condition.path) for condition in conditions if condition.match_type == "prefix"]
    return max(heads, key=len, default=())


def _literal(path: Sequence[str]) -> Namespace:
    parts = tuple(path)
    return parts[: parts.index(ANY)] if ANY in parts else parts
