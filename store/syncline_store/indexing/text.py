"""Which text of a value is embedded: paths into it, given by the document's index_spec or by its namespace's settings."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from syncline_contracts.errors import DocumentRefused
from syncline_store.document import EACH, INDEX_AS_NAMESPACE, INDEX_NOT, WHOLE, Row

BETWEEN = "\x1e"
"""The character between texts that are embedded apart (ASCII's record separator), where they are kept as one."""
MOST_APART = 1_000
"""Texts of one document that are embedded apart; what comes behind shares the last one, or a list of words would be a point each."""
_STEP = re.compile(r"(?P<name>.*?)(?P<places>(\[(-?\d+|\*)?\])*)$", re.DOTALL)
_PLACE = re.compile(r"\[(-?\d+|\*)?\]")


def is_indexed(row: Row) -> bool:
    """Whether the row is to be found by searches: it is there, and not kept out of the index."""
    return not row.deleted and row.index_spec != INDEX_NOT


def texts_of(value: Any, index_spec: str, fields: Sequence[str]) -> list[str]:
    """What is embedded of a value: one text, or several where the document asks for them apart. Raises DocumentRefused."""
    apart = _apart(index_spec)
    if apart is None:
        return [text_of(value, paths(index_spec, fields))]
    texts = [text.replace(BETWEEN, " ") for path in apart for text in _texts_at(value, path)]
    return texts if len(texts) <= MOST_APART else [*texts[: MOST_APART - 1], "\n".join(texts[MOST_APART - 1 :])]


def paths(index_spec: str, fields: Sequence[str]) -> Sequence[str]:
    """The document's own paths, or its namespace's `fields`. Raises DocumentRefused for a spec that is no list of paths."""
    if index_spec == INDEX_AS_NAMESPACE:
        return fields
    try:
        given = json.loads(index_spec)
    except ValueError:
        given = None
    if not isinstance(given, list) or not all(isinstance(path, str) for path in given):
        raise DocumentRefused(f"its index_spec {index_spec!r} is no JSON list of paths: write the document again")
    return given


def text_of(value: Any, chosen: Sequence[str]) -> str:
    """The strings at these paths, joined by newlines: in the order of the paths, below each in the order of the keys.

    ``"a.b"`` descends into objects, ``"items[].name"`` into each element of a list, ``"$"`` is the whole value. What is no string
    is left out; a path that leads nowhere gives nothing.
    """
    return "\n".join(string for path in chosen for place in _at(value, path) for string in _strings(place))


def _apart(index_spec: str) -> list[str] | None:
    """The paths whose texts are embedded apart; None for any other spec."""
    if not index_spec.startswith("{"):
        return None
    try:
        given = json.loads(index_spec)["apart"]
    except (ValueError, KeyError):
        given = None
    if not isinstance(given, list) or not all(isinstance(path, str) for path in given):
        raise DocumentRefused(f"its index_spec {index_spec!r} names no paths: write the document again")
    return given


def _texts_at(value: Any, path: str) -> Iterator[str]:
    """A string as it is, anything else that is there as JSON."""
    for place in [value] if path == WHOLE else _places(value, path):
        if isinstance(place, str):
            yield place
        elif place is not None:
            yield json.dumps(place, sort_keys=True, ensure_ascii=False)


def _places(value: Any, path: str) -> list[Any]:
    places = [value]
    for step in path.split("."):
        found = _STEP.fullmatch(step)
        assert found is not None  # noqa: S101 - any text has a name and places, be they empty
        if found["name"] == "*":
            places = [element for place in places for element in _all_in(place)]
        elif found["name"]:
            places = [place[found["name"]] for place in places if isinstance(place, dict) and found["name"] in place]
        for position in _PLACE.findall(found["places"]):
            places = [element for place in places if isinstance(place, list) for element in _elements(place, position)]
    return places


def _all_in(place: Any) -> list[Any]:
    """What an object or a list holds, in the order of its keys."""
    if isinstance(place, dict):
        return [place[name] for name in sorted(place)]
    return place if isinstance(place, list) else []


def _elements(given: list[Any], position: str) -> list[Any]:
    if position in ("", "*"):
        return given
    number = int(position)
    return [given[number]] if -len(given) <= number < len(given) else []


def _at(value: Any, path: str) -> Iterator[Any]:
    if path == WHOLE:
        yield value
        return
    places = [value]
    for step in path.split("."):
        name = step.removesuffix(EACH)
        places = [place[name] for place in places if isinstance(place, dict) and name in place]
        if step.endswith(EACH):
            places = [element for place in places if isinstance(place, list) for element in place]
    yield from places


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name in sorted(value):
            yield from _strings(value[name])
    elif isinstance(value, list):
        for element in value:
            yield from _strings(element)
