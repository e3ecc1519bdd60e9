"""Cursors of pages: opaque text that names the last item given."""

import base64
import json
from typing import Any

from syncline_contracts.errors import InvalidQuery


def encode_cursor(*parts: Any) -> str:
    """Text that `decode_cursor` gives back."""
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def decode_cursor(cursor: str, *types: type) -> tuple[Any, ...]:
    """The parts, of these types. Raises InvalidQuery for text that is no such cursor."""
    try:
        parts = json.loads(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
    except ValueError:
        raise foreign_cursor(cursor) from None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(types):
        raise foreign_cursor(cursor)
    return tuple(parts)


def foreign_cursor(cursor: str) -> InvalidQuery:
    """The error to raise for a cursor that this listing never gave."""
    return InvalidQuery("after", f"{cursor[:40]!r} is no cursor of this listing: pass on what the page before gave, unchanged")
