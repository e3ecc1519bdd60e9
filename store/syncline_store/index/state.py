"""A point's payload, read. Lenient: what somebody damaged reads as an old state that anything may replace."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncline_contracts.identity import Ref, decode_namespace
from syncline_store.index.points import Field, Mark, PointState

STATE = [
    Field.DOCUMENT,
    Field.PASSAGE,
    Field.REVISION,
    Field.CONTENT_HASH,
    Field.TEXT_HASH,
    Field.MODEL,
    Field.PASSAGES,
    Field.EXPIRES_AT,
    Field.MARK,
]
"""What `state` reads."""
REF = [Field.TENANT, Field.NAMESPACES, Field.KEY]
"""What `ref` reads."""
NO_REVISION = -1
"""The revision of a point whose payload has none, or has something else there."""
_NOBODY = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class Found:
    """A point that a search found. `span` is where its passage stands in the document's text: (start, end) in characters."""

    state: PointState
    ref: Ref
    span: tuple[int, int] | None
    score: float


def state(payload: Mapping[str, Any]) -> PointState:
    """The state that a payload tells of."""
    return PointState(
        document=document(payload),
        passage=integer(payload, Field.PASSAGE, 0),
        revision=integer(payload, Field.REVISION, NO_REVISION),
        content_hash=str(payload.get(Field.CONTENT_HASH, "")),
        text_hash=str(payload.get(Field.TEXT_HASH, "")),
        model=str(payload.get(Field.MODEL, "")),
        passages=integer(payload, Field.PASSAGES, 0),
        expires_at=integer(payload, Field.EXPIRES_AT, 0),
        mark=mark(payload),
    )


def ref(payload: Mapping[str, Any]) -> Ref | None:
    """Whose point it is, None where the payload does not say."""
    prefixes = payload.get(Field.NAMESPACES)
    tenant, key = payload.get(Field.TENANT), payload.get(Field.KEY)
    if not isinstance(tenant, str) or not isinstance(key, str) or not isinstance(prefixes, list) or not prefixes:
        return None
    try:
        return Ref(tenant, decode_namespace(str(prefixes[-1])), key)
    except ValueError:
        return None


def span(payload: Mapping[str, Any]) -> tuple[int, int] | None:
    """Where the passage stands in the text; None for a document without text."""
    given = payload.get(Field.SPAN)
    return (int(given[0]), int(given[1])) if isinstance(given, list) else None


def document(payload: Mapping[str, Any]) -> uuid.UUID:
    """The document's id; all zeros where the payload does not say."""
    try:
        return uuid.UUID(payload.get(Field.DOCUMENT))
    except (ValueError, TypeError, AttributeError):
        return _NOBODY


def integer(payload: Mapping[str, Any], field: Field, otherwise: int) -> int:
    """A whole number of the payload."""
    given = payload.get(field)
    return given if isinstance(given, int) and not isinstance(given, bool) else otherwise


def mark(payload: Mapping[str, Any]) -> Mark:
    """A point without a readable mark counts as live: it can be found, so it must be looked at."""
    given = payload.get(Field.MARK)
    return Mark(given) if given in (Mark.DELETED, Mark.GONE) else Mark.LIVE
