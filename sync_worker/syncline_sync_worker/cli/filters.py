"""``--filter``: JSON, or ``field=value``."""

import json
from collections.abc import Sequence
from typing import Any

from syncline_contracts.errors import InvalidFilter


def parse_filters(texts: Sequence[str]) -> dict[str, Any] | None:
    """Read filters that all must hold: ``kind=note`` (``n=3`` is a number, ``n="3"`` a text) or ``{"n": {"$gt": 3}}``.

    Raises InvalidFilter for anything else, and where a field is named twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        for field, condition in _parse(text).items():
            if field in found:
                raise InvalidFilter(field, 'is named in two filters: join them, as in {"n": {"$gt": 1, "$lt": 5}}')
            found[field] = condition
    return found or None


def _parse(text: str) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        field, equals, value = text.partition("=")
        if not equals or not field.strip():
            raise InvalidFilter("filter", f'{text!r} is neither field=value nor a JSON object such as {{"n": {{"$gt": 3}}}}')
        return {field.strip(): _scalar(value)}
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise InvalidFilter("filter", f"{text!r} is not JSON: {error}") from None
    return dict(parsed)


def _scalar(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
