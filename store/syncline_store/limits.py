"""What a document may be: checked before anything is written, and refused with an error that names the field.

`json.dumps` alone is too kind: it turns the number 1 as an object's key into "1", a tuple into a list, and cuts nothing off a
cycle. What is stored must be what was given, so that is refused here.
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from syncline_contracts.errors import InvalidDocument, InvalidQuery
from syncline_contracts.identity import Namespace, Ref
from syncline_store.document import EACH, INDEX_AS_NAMESPACE, INDEX_NOT, WHOLE, Apart, canonical
from syncline_store.settings import LimitSettings

INTEGERS = range(-(2**63), 2**63)
"""What every part that a number passes through can hold."""
MAX_TTL = 630_720_000
"""Seconds: the longest TTL (20 years) that ScyllaDB and Cassandra take."""

MOST_PATHS = 100
"""Of one document's or one namespace's texts."""
_SEQUENCES = (tuple, list, Sequence)
"""The usual ones first: asking an abstract class takes longer than the rest of a check."""
_POSITION = re.compile(r"\[(\d+|\*)?\]$")
_PLACES = re.compile(r"(\[(-?\d+|\*)?\])+$")
"""What may stand behind a name where texts are embedded apart."""

_Path = tuple[Any, ...]
"""Where in a value: ``(parent path, name or position)``, ``()`` for the value itself."""


def checked_ref(tenant: str, namespace: Sequence[str], key: str, limits: LimitSettings) -> Ref:
    """The reference, if each part keeps its limit. Raises InvalidDocument."""
    _check_text("key", key, limits.key_bytes)
    return Ref(checked_tenant(tenant, limits), checked_namespace(namespace, limits), key)


def checked_tenant(tenant: str, limits: LimitSettings) -> str:
    """Raises InvalidDocument unless it is a short, printable, non-empty string."""
    _check_text("tenant", tenant, limits.tenant_bytes)
    if not tenant.isprintable():
        raise InvalidDocument("tenant", "must not hold control characters")
    return tenant


def checked_namespace(namespace: Sequence[str], limits: LimitSettings) -> Namespace:
    """One to ten non-empty parts. Raises InvalidDocument."""
    if not namespace:
        raise InvalidDocument("namespace", "must have at least one part, such as ('notes',)")
    return _checked_parts(namespace, limits)


def checked_prefix(prefix: Sequence[str], limits: LimitSettings) -> Namespace:
    """A namespace, or () for everything that the tenant has. Raises InvalidDocument."""
    return _checked_parts(prefix, limits)


def checked_value(value: dict[str, Any], limits: LimitSettings) -> str:
    """The value as canonical JSON text. Raises InvalidDocument that names the field, ``value.price`` or ``value.tags[3]``."""
    if not isinstance(value, dict):
        raise InvalidDocument("value", f"must be a JSON object (a dict), not {_name(value)}")
    _walk(value, limits.depth)
    text = canonical(value)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidDocument(_find_surrogate(value), "holds half of a surrogate pair, which UTF-8 cannot: repair the text") from None
    if size > limits.value_bytes:
        raise InvalidDocument("value", f"is {size:,} bytes as JSON, {limits.value_bytes:,} at most: split it into several documents")
    return text


def checked_index(index: bool | Sequence[str] | Apart | None) -> str:  # noqa: FBT001 - the words of the public face: index=False
    """The row's index_spec: None as the namespace says, False not at all, or paths into the value. Raises InvalidDocument."""
    if index is None or index is True:
        return INDEX_AS_NAMESPACE
    if index is False:
        return INDEX_NOT
    if isinstance(index, Apart):
        return json.dumps({"apart": checked_paths("index", index.paths, _PLACES)}, ensure_ascii=False)
    if isinstance(index, str) or not isinstance(index, Sequence) or not index:
        raise InvalidDocument("index", "must be None, False or a list of paths such as ['title', 'body.text']")
    return json.dumps(checked_paths("index", index), ensure_ascii=False)


def checked_paths(field: str, paths: Sequence[str], places: re.Pattern[str] | None = None) -> tuple[str, ...]:
    """Paths to texts: ``"$"``, ``"a.b"``, ``"items[].name"``. Raises InvalidDocument: one that leads nowhere would embed nothing."""
    if isinstance(paths, str) or not isinstance(paths, Sequence):
        raise InvalidDocument(field, f"must be a list of paths such as ['title', 'body.text'], not {_name(paths)}")
    if len(paths) > MOST_PATHS:
        raise InvalidDocument(field, f"has {len(paths):,} paths, {MOST_PATHS} at most: a path takes all texts that lie below it")
    for number, path in enumerate(paths):
        _check_path(f"{field}[{number}]", path, places)
    return tuple(paths)


def _check_path(field: str, path: str, places: re.Pattern[str] | None) -> None:
    _check_text(field, path, 1024)
    if path == WHOLE:
        return
    names = [step.removesuffix(EACH) if places is None else places.sub("", step) for step in path.split(".")]
    if names[0] == WHOLE or names[0].startswith("$["):
        raise InvalidDocument(field, f"{path!r} is no path: '$' stands for the whole value, and alone; below it write 'author.name'")
    if not all(names):
        raise InvalidDocument(field, f"{path!r} is no path: names divided by single dots, such as 'author.name'")
    if any(_POSITION.search(name) for name in names):
        raise InvalidDocument(
            field, f"{path!r} is no path: 'items[]' is every element of a list, 'items' all texts in it; one alone cannot be named"
        )


def checked_ttl(ttl: float | None) -> float | None:
    """Whole seconds, rounded up; None (the namespace's default) and infinity (for ever) as they are. Raises InvalidDocument."""
    if ttl is None or ttl == math.inf:
        return ttl
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 < ttl <= MAX_TTL:
        raise InvalidDocument("ttl", f"must be seconds, more than 0 and {MAX_TTL:,} (20 years) at most; math.inf is for ever")
    return math.ceil(ttl)


def finite(ttl: float | None) -> int | None:
    """A checked life in seconds, None for ever."""
    return None if ttl is None or ttl == math.inf else int(ttl)


def checked_limit(limit: int, most: int, field: str = "limit") -> int:
    """Raises InvalidQuery unless 1..most."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= most:
        raise InvalidQuery(field, f"must be 1 to {most:,}")
    return limit


def checked_offset(offset: int, most: int) -> int:
    """Raises InvalidQuery unless 0..most."""
    if isinstance(offset, bool) or not isinstance(offset, int) or not 0 <= offset <= most:
        raise InvalidQuery("offset", f"must be 0 to {most:,}: list(filter=...) gives all that a filter matches, page by page")
    return offset


def _checked_parts(parts: Sequence[str], limits: LimitSettings) -> Namespace:
    if isinstance(parts, str) or not isinstance(parts, _SEQUENCES):
        raise InvalidDocument("namespace", f"must be a tuple of strings, not {_name(parts)}: ('users', 'u1')")
    if len(parts) > limits.namespace_parts:
        raise InvalidDocument("namespace", f"has {len(parts)} parts, {limits.namespace_parts} at most")
    most = limits.namespace_part_bytes
    for number, part in enumerate(parts):
        if not _is_plain(part, most):
            _check_text(f"namespace[{number}]", part, most)
    return tuple(parts)


def _is_plain(text: object, most: int) -> bool:
    """Nothing to look at more closely, as with nearly all names: every read and write passes by here."""
    return type(text) is str and text.isascii() and 0 < len(text) <= most and "\0" not in text


def _check_text(field: str, text: object, most: int) -> None:
    if _is_plain(text, most):
        return
    if not isinstance(text, str):
        raise InvalidDocument(field, f"must be a string, not {_name(text)}")
    if not text:
        raise InvalidDocument(field, "must not be empty")
    if "\0" in text:
        raise InvalidDocument(field, "must not hold the character NUL")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidDocument(field, "holds half of a surrogate pair, which UTF-8 cannot") from None
    if size > most:
        raise InvalidDocument(field, f"is {size:,} bytes as UTF-8, {most:,} at most")


def _walk(value: dict[str, Any], most: int) -> None:
    """Refuse what JSON cannot hold as it is. An explicit stack: a deep value must not end in RecursionError."""
    waiting: list[tuple[Any, _Path, int]] = [(value, (), 1)]
    while waiting:
        container, path, depth = waiting.pop()
        if depth > most:
            raise InvalidDocument(_field(path), f"is nested deeper than {most} levels")
        for name, item in _entries(container, path):
            if isinstance(item, dict | list):
                waiting.append((item, (path, name), depth + 1))
            elif type(item) is not str and item is not None:
                _check_scalar(item, (path, name))


def _entries(container: Any, path: _Path) -> Iterable[tuple[Any, Any]]:
    if isinstance(container, list):
        return enumerate(container)
    for name in container:
        if not isinstance(name, str):
            raise InvalidDocument(_field(path), f"has the key {name!r}, which is {_name(name)}: JSON's keys are strings")
    entries: Iterable[tuple[Any, Any]] = container.items()
    return entries


def _check_scalar(item: Any, path: _Path) -> None:
    if isinstance(item, str | bool):
        return
    if isinstance(item, int):
        if item not in INTEGERS:
            raise InvalidDocument(_field(path), "is an integer beyond 64 bits: give it as a string")
    elif isinstance(item, float):
        if not math.isfinite(item):
            raise InvalidDocument(_field(path), f"is {item}, which JSON does not have: leave it out or use null")
    else:
        raise InvalidDocument(_field(path), f"is {_name(item)}, which JSON does not have: use dict, list, str, int, float, bool or None")


def _find_surrogate(value: dict[str, Any]) -> str:
    waiting: list[tuple[Any, _Path]] = [(value, ())]
    while waiting:
        item, path = waiting.pop()
        if isinstance(item, str):
            if not _encodes(item):
                return _field(path)
        elif isinstance(item, dict | list):
            for name, inner in _entries(item, path):
                if isinstance(name, str) and not _encodes(name):
                    return _field(path)
                waiting.append((inner, (path, name)))
    return "value"


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _field(path: _Path) -> str:
    steps = []
    while path:
        path, name = path
        plain = isinstance(name, str) and name.isidentifier()
        steps.append(f".{name}" if plain else f"[{name!r}]")
    return "value" + "".join(reversed(steps))


def _name(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
