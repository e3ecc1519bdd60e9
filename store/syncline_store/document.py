"""A document in its three shapes: what is to be written, the row as stored, and what the app is given."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from syncline_contracts.event import ChangeEvent
from syncline_contracts.identity import Namespace, Ref
from syncline_contracts.revision import NEVER

HASH_BYTES = 16
NO_CONTENT = bytes(HASH_BYTES)
"""The content hash of a tombstone."""
INDEX_AS_NAMESPACE = ""
"""`index_spec` of a document that is indexed as its namespace's settings say."""
INDEX_NOT = "false"
"""`index_spec` of a document that is kept out of the index. Any other spec is a JSON list of paths, or ``{"apart": paths}``."""
WHOLE = "$"
"""The path of the whole value."""
EACH = "[]"
"""Behind a name in a path: each element of the list there."""


_DECODER = json.JSONDecoder()
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Mapping[str, Any]) -> str:
    """A JSON object as text: keys sorted, no white space. Raises ValueError for NaN and infinities, TypeError for what JSON lacks."""
    return _ENCODER.encode(value)


def content_hash(text: str | None) -> bytes:
    """16 bytes that tell one value from another: BLAKE2b of the canonical text, zeros for a tombstone."""
    return NO_CONTENT if text is None else hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Apart:
    """As a document's `index`: each text that these paths lead to is embedded on its own, and the best of them is the document's score.

    Beyond what a list of paths takes, ``"items[0].name"`` and ``"items[-1].name"`` lead to one element, and ``*`` for a name
    to all that is there; what is no string is embedded as its JSON text, and ``"$"`` is the JSON text of the whole value.
    """

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """A document's new state and its outbox event, to land together or not at all.

    `value` is canonical JSON text, None for a deletion. The event's id is the row's write_id; its revision and expires_at
    are the row's.
    """

    value: str | None
    content_hash: bytes
    index_spec: str
    event: ChangeEvent
    ttl: int | None = None
    """Seconds that the row lives in the storage, None for ever; a tombstone's is the grace."""
    times: tuple[int, int] | None = None
    """Of a row that is only to live longer: its created_at and updated_at, µs. None: both are the event's first_at."""

    @property
    def ref(self) -> Ref:
        """The document that is written."""
        return self.event.ref

    @property
    def revision(self) -> int:
        """The row's write timestamp, µs since 1970."""
        return self.event.revision

    @property
    def created_at(self) -> int:
        """When the document was first written, as far as this write knows."""
        return self.event.first_at if self.times is None else self.times[0]

    @property
    def updated_at(self) -> int:
        """When this value was written."""
        return self.event.first_at if self.times is None else self.times[1]


class Row(NamedTuple):
    """A document's row as the storage holds it, tombstones included. Times are µs since 1970.

    A tuple, since every read makes one: half the time of a frozen dataclass.
    """

    ref: Ref
    revision: int
    value: str | None
    content_hash: bytes
    write_id: uuid.UUID
    deleted: bool
    index_spec: str
    expires_at: int
    created_at: int
    updated_at: int

    @property
    def version(self) -> tuple[int, int]:
        """What decides which of two states is the later: (revision, expires_at)."""
        return self.revision, self.expires_at

    def gone(self, now: int) -> bool:
        """Expired, whatever the storage's own TTL says: readers treat it as absent."""
        return self.expires_at <= now


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the app is given it."""

    namespace: Namespace
    key: str
    value: dict[str, Any]
    revision: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None

    @classmethod
    def of(cls, row: Row) -> "Document":
        """Read a living row. The row must hold a value."""
        ref, revision, text, _, _, _, _, expires_at, created_at, updated_at = row
        if text is None:
            raise ValueError(f"{ref} is a tombstone")
        created = moment(created_at)
        updated = created if updated_at == created_at else moment(updated_at)
        expires = None if expires_at == NEVER else moment(expires_at)
        return cls(ref.namespace, ref.key, _read(text), revision, created, updated, expires)


def _read(text: str) -> dict[str, Any]:
    """What `canonical` wrote: nothing stands around it, which `json.loads` would look for."""
    value: dict[str, Any] = _DECODER.raw_decode(text)[0]
    return value


def moment(microseconds: int) -> datetime:
    """µs since 1970 as an aware datetime, UTC."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


def living(row: Row | None, now: int) -> Row | None:
    """The row if it is there, not deleted and not expired."""
    return None if row is None or row.deleted or row.gone(now) else row
