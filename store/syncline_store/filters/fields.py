"""What of a value can be filtered: its scalars, lists of scalars and objects of those; nulls and empty things are absent.

The index keeps this under `fields`, and `match` looks at the same, so both sides of a filter see one thing. Long strings are
cut to one character more than a filter may name: whoever asks for equality with a string that is allowed never meets a cut
one, and the field is still known to exist.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

LONGEST = 256
"""Characters of a string that a search's filter may name."""
MOST_SCALARS = 1_000
MOST_CHARACTERS = 16_384
"""Of a document, names included: every passage's point carries the fields. What comes behind (in the order of names) is left out."""

_Tree = dict[str, Any]


class _Budget:
    """How much one document may still keep."""

    def __init__(self) -> None:
        self.scalars = MOST_SCALARS
        self.characters = MOST_CHARACTERS

    def take(self, characters: int) -> bool:
        """Sync. False once either is used up."""
        self.scalars -= 1
        self.characters -= characters
        return self.scalars >= 0 and self.characters >= 0


def filterable(value: Mapping[str, Any], *, cut: bool = True, only: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The filterable part of a value, names sorted. With cut=False strings stay whole; what is left out is the same.

    `only`: what lies at and below these dotted paths; the limits then count nothing else.
    """
    return _object(value if only is None else _at(value, _tree(only)), _Budget(), cut=cut)


def filter_path(dotted: str) -> tuple[str, ...] | None:
    """The names of a path as filters and declared fields have it; None for what is no path."""
    names = tuple(dotted.split("."))
    fits = all(names) and not names[0].startswith("$") and '"' not in dotted and "\0" not in dotted
    return names if fits else None


@lru_cache(maxsize=1_000)
def _tree(paths: tuple[str, ...]) -> _Tree:
    """Names that lead to declared fields; None: all that lies there."""
    tree: _Tree = {}
    for path in sorted(paths, key=len):
        *above, last = path.split(".")
        here: _Tree | None = tree
        for name in above:
            here = None if here is None else here.setdefault(name, {})
        if here is not None:
            here[last] = None
    return tree


def _at(value: Mapping[str, Any], tree: _Tree) -> dict[str, Any]:
    found = {}
    for name, below in tree.items():
        if name not in value:
            continue
        item = value[name]
        if below is None:
            found[name] = item
        elif isinstance(item, Mapping):
            found[name] = _at(item, below)
    return found


def _object(value: Mapping[str, Any], budget: _Budget, *, cut: bool) -> dict[str, Any]:
    kept = {}
    for name in sorted(value):
        item = _kept(value[name], budget, cut=cut)
        budget.characters -= len(name)
        if item is not None and budget.characters >= 0:
            kept[name] = item
    return kept


def _kept(item: Any, budget: _Budget, *, cut: bool) -> Any:
    """None where there is nothing to filter by."""
    if isinstance(item, Mapping):
        return _object(item, budget, cut=cut) or None
    if isinstance(item, list):
        return _scalars(item, budget, cut=cut) or None
    return _scalar(item, budget, cut=cut)


def _scalars(items: Sequence[Any], budget: _Budget, *, cut: bool) -> list[Any]:
    scalars = (_scalar(item, budget, cut=cut) for item in items if not isinstance(item, list | Mapping))
    return [scalar for scalar in scalars if scalar is not None]


def _scalar(item: Any, budget: _Budget, *, cut: bool) -> Any:
    if item is None:
        return None
    if not isinstance(item, str):
        return item if budget.take(0) else None
    short = item[: LONGEST + 1]
    if not budget.take(len(short)):
        return None
    return short if cut else item
