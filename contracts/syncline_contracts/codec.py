"""The change event on the wire: CloudEvents 1.0 in binary mode, headers beside a JSON body.

Fields that this version does not know are ignored; an unknown major schema version is refused. A reader accepts header
names in any case.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from pydantic import ValidationError

from syncline_contracts.errors import UndecodableEvent, UnsupportedSchema
from syncline_contracts.event import ChangeEvent

SCHEMA_MAJOR = 1
SCHEMA = f"{SCHEMA_MAJOR}.0"
_MAJOR_DIGITS = 9
TYPE = "io.syncline.document.changed"
CONTENT_TYPE = "application/json"
OF_EVERY_EVENT = {
    "ce_specversion": "1.0",
    "ce_type": TYPE,
    "ce_source": "/syncline/outbox",
    "ce_synclineversion": SCHEMA,
    "content-type": CONTENT_TYPE,
}
"""The headers that are always the same."""


def encode(event: ChangeEvent) -> tuple[bytes, dict[str, str]]:
    """Give the body and the headers of an event."""
    return encode_body(event), OF_EVERY_EVENT | own_headers(event, event.ref.document)


def encode_body(event: ChangeEvent) -> bytes:
    """The body alone."""
    return event.model_dump_json(exclude_none=True).encode()


def own_headers(event: ChangeEvent, document: uuid.UUID) -> dict[str, str]:
    """The headers beside those of every event. `document` is the id of its document."""
    second, rest = divmod(event.first_at, 1_000_000)
    headers = {
        "ce_id": str(event.id),
        "ce_time": f"{_until_the_second(second)}.{rest:06}+00:00",
        "ce_subject": str(document),
    }
    if event.traceparent is not None:
        headers["traceparent"] = event.traceparent
    return headers


@lru_cache(maxsize=1_000)
def _until_the_second(second: int) -> str:
    """A time as RFC 3339 has it, up to its seconds: events come in the order of their times."""
    return datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00")


def decode(body: bytes, headers: Mapping[str, str]) -> ChangeEvent:
    """Give the event back.

    Raises UnsupportedSchema for a newer major version and UndecodableEvent for anything else that is no event.
    """
    given = {name.lower(): value for name, value in headers.items()}
    _refuse_unknown_schema(given.get("ce_synclineversion", SCHEMA))
    if given.get("ce_type", TYPE) != TYPE:
        raise UndecodableEvent(f"the event's type is {given['ce_type']!r}, not {TYPE!r}: is another producer writing to this topic?")
    try:
        return ChangeEvent.model_validate_json(body)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, p['loc'])) or 'body'}: {p['msg']}" for p in error.errors(include_input=False, include_url=False)
        )
        raise UndecodableEvent(f"not a change event ({problems})") from None


def _refuse_unknown_schema(version: str) -> None:
    major, _, _ = version.partition(".")
    if not major.isdecimal() or len(major) > _MAJOR_DIGITS:
        raise UndecodableEvent(f"the schema version {version[:40]!r} is no version")
    if int(major) != SCHEMA_MAJOR:
        raise UnsupportedSchema(
            f"schema version {version} is not known to this process (it knows {SCHEMA_MAJOR}.x): upgrade it, then replay"
        )
