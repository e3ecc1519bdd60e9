"""A document as a line of JSON, and back: what an export writes and an import reads. What comes back is the same document.

A file begins with a line that says what it is (`Header`); then each line is a document, tombstones and expired ones left out:

    {"syncline_export": 1, "tenant": "acme", "prefix": ["users"], "at": "2026-11-22T21:00:00+00:00"}
    {"namespace": ["users", "u1"], "key": "n1", "value": {"text": "..."}, "index": null, "expires_at": null, "revision": 1790000000000000}

`index` is as in `put` (null, false, a list of paths, or ``{"apart": paths}``); `expires_at` is µs since 1970. Revisions are told, not kept:
whoever imports writes anew, later than what is there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from syncline_contracts.errors import InvalidInput
from syncline_contracts.identity import Namespace
from syncline_contracts.revision import NEVER
from syncline_store.document import Apart, Row, moment

VERSION = 1
_MARK = "syncline_export"


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. `at` is µs since 1970."""

    tenant: str
    prefix: Namespace
    at: int

    def line(self) -> str:
        """Without a line break."""
        return _line({_MARK: VERSION, "tenant": self.tenant, "prefix": self.prefix, "at": moment(self.at).isoformat()})


@dataclass(frozen=True, slots=True)
class Exported:
    """A document of an export. `index` is what `put` takes, `expires_at` µs since 1970."""

    namespace: Namespace
    key: str
    value: dict[str, Any]
    index: bool | Sequence[str] | Apart | None
    expires_at: int | None

    @classmethod
    def of(cls, read: Mapping[str, Any]) -> Self:
        """A line that was read. Raises InvalidInput that names the field; what they hold is for `put` to refuse."""
        namespace, expires_at = _field(read, "namespace", list), read.get("expires_at")
        if expires_at is not None and (isinstance(expires_at, bool) or not isinstance(expires_at, int)):
            raise InvalidInput("expires_at", "must be µs since 1970, or null")
        return cls(tuple(namespace), _field(read, "key", str), _field(read, "value", dict), _index(read.get("index")), expires_at)


class OtherVersion(InvalidInput):
    """Nothing of this file can be read."""


def is_header(read: Mapping[str, Any]) -> bool:
    """Whether a first line says that documents as written here follow. Raises OtherVersion."""
    found = read.get(_MARK)
    if found is not None and found != VERSION:
        raise OtherVersion(_MARK, f"is {found!r}, and this version reads {VERSION}: import it with the version that exported it")
    return found is not None


def document_line(row: Row) -> str:
    """A living row as a line, without its break."""
    whole = {
        "namespace": row.ref.namespace,
        "key": row.ref.key,
        "value": json.loads(row.value or "{}"),
        "index": json.loads(row.index_spec) if row.index_spec else None,
        "expires_at": None if row.expires_at == NEVER else row.expires_at,
        "revision": row.revision,
    }
    return _line(whole)


def _line(whole: Mapping[str, Any]) -> str:
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def _field(read: Mapping[str, Any], name: str, kind: type) -> Any:
    if not isinstance(read.get(name), kind):
        raise InvalidInput(name, f"must be a {kind.__name__}, as `syncline export` writes it")
    return read[name]


def _index(read: Any) -> bool | Sequence[str] | Apart | None:
    if isinstance(read, dict) and isinstance(read.get("apart"), list):
        return Apart(tuple(read["apart"]))
    if read is None or read is False or isinstance(read, list):
        return read
    raise InvalidInput("index", 'must be null, false, a list of paths or {"apart": paths}, as `syncline export` writes it')
