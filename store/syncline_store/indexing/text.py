"""Which text of a value is embedded: paths into it, given by the document's index_spec or by its namespace's settings."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from syncline_contracts.errors import DocumentRefused
from syncline_store.document import EACH, INDEX_AS_NAMESPACE, INDEX_NOT, WHOLE, Row


def is_indexed(row: Row) -> bool:
    """Whether the row is to be found by searches: it is there, and not kept out of the index."""
    return not row.deleted and row.index_spec != INDEX_NOT


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
