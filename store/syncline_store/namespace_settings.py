"""A namespace's settings: checked as the app gives them, and as the one text that both engines keep of what is indexed."""

import json
from collections.abc import Mapping, Sequence

from syncline_contracts.errors import InvalidDocument
from syncline_store.engines.protocol import NamespaceSettings
from syncline_store.filters.declared import Declared, FieldType
from syncline_store.filters.fields import filter_path
from syncline_store.limits import checked_paths, checked_ttl, finite
from syncline_store.sparse import languages

MOST_BUCKETS = 65_536
MOST_FILTERABLE = 64
"""Declared fields of one namespace."""


def wanted_settings(
    fields: Sequence[str],
    filterable: Mapping[str, str | None] | Sequence[str] | None,
    buckets: int,
    hybrid: str | None = None,
    ttl: float | None = None,
) -> NamespaceSettings:
    """What the app asks for. Raises InvalidDocument that names the argument and the remedy."""
    if isinstance(buckets, bool) or not isinstance(buckets, int) or not 1 <= buckets <= MOST_BUCKETS:
        raise InvalidDocument("buckets", f"must be 1 to {MOST_BUCKETS:,}")
    if hybrid is not None and hybrid not in languages():
        raise InvalidDocument("hybrid", f"{hybrid!r} is no language: there are {', '.join(languages())}")
    declared = None if filterable is None else _declared(filterable)
    return NamespaceSettings(buckets, checked_paths("fields", fields), declared, hybrid, finite(checked_ttl(ttl)))


def encoded(settings: NamespaceSettings) -> str:
    """What is indexed, as JSON: the list of paths that are embedded, or an object where more is declared than these."""
    filterable = None if settings.filterable is None else dict(settings.filterable)
    more = {"filterable": filterable, "hybrid": settings.hybrid, "ttl": settings.ttl}
    given = {name: value for name, value in more.items() if value is not None}
    return json.dumps({"fields": settings.fields, **given} if given else settings.fields)


def decoded(buckets: int, text: str) -> NamespaceSettings:
    """The reverse of `encoded`."""
    found = json.loads(text)
    if isinstance(found, list):
        return NamespaceSettings(buckets, tuple(found))
    given = found.get("filterable")
    declared = None if given is None else tuple((path, None if kind is None else FieldType(kind)) for path, kind in given.items())
    return NamespaceSettings(buckets, tuple(found["fields"]), declared, found.get("hybrid"), found.get("ttl"))


def _declared(given: Mapping[str, str | None] | Sequence[str]) -> Declared:
    if isinstance(given, str) or not isinstance(given, Mapping | Sequence):
        raise InvalidDocument("filterable", "must be paths such as ['kind', 'author.name'], or paths with types: {'price': 'float'}")
    if len(given) > MOST_FILTERABLE:
        raise InvalidDocument("filterable", f"has {len(given)} fields, {MOST_FILTERABLE} at most: a path covers all that lies below it")
    types = given if isinstance(given, Mapping) else dict.fromkeys(given)
    return tuple((_path(path), _type(path, kind)) for path, kind in sorted(types.items(), key=lambda entry: str(entry[0])))


def _path(path: object) -> str:
    if not isinstance(path, str) or filter_path(path) is None:
        raise InvalidDocument(
            "filterable", f"{path!r} is no path: names divided by single dots, without double quotes, as filters have them"
        )
    return path


def _type(path: str, kind: object) -> FieldType | None:
    try:
        return None if kind is None else FieldType(str(kind))
    except ValueError:
        known = ", ".join(repr(each.value) for each in FieldType)
        raise InvalidDocument("filterable", f"{path!r} cannot be of the type {kind!r}: there are {known}, and None") from None
