"""Payloads into columns, a block at a time.

Where all values are as Syncline wrote them, none of them is looked at on its own; where one is not, the block is read as
leniently as `state` reads a point.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from syncline_contracts.identity import Ref
from syncline_store.index.points import Field, Mark
from syncline_store.index.state import document, integer, mark, ref

Payloads = Sequence[Mapping[str, Any]]
Integer = TypeVar("Integer", np.int16, np.int32, np.int64)

MARKS = (Mark.LIVE, Mark.DELETED, Mark.GONE)
"""`marks` of packed points holds places in this list."""
_PLACES = {mark.value: place for place, mark in enumerate(MARKS)}
_UUIDS = re.compile(r"(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\n)*")
_HASHES = re.compile(r"(?:[0-9a-f]{32}\n)*")
_NO_HASH = bytes(16)


def integers(payloads: Payloads, field: Field, otherwise: int, kind: type[Integer]) -> npt.NDArray[Integer]:
    """Whole numbers; those that do not fit are as large, or as small, as can be."""
    name, bounds = field.value, np.iinfo(kind)
    values: list[Any] = [payload.get(name) for payload in payloads]
    if set(map(type, values)) - {int}:
        values = [integer(payload, field, otherwise) for payload in payloads]
    try:
        return np.array(values, kind)
    except OverflowError:
        return np.array([min(max(value, int(bounds.min)), int(bounds.max)) for value in values], kind)


def documents(payloads: Payloads) -> npt.NDArray[np.uint64]:
    """The documents' ids as two columns, zeros where a payload does not say."""
    text = _lines(payloads, Field.DOCUMENT)
    if text is not None and _UUIDS.fullmatch(text):
        return words(bytes.fromhex(text.replace("-", "")))
    return words(b"".join(document(payload).bytes for payload in payloads))


def hashes(payloads: Payloads) -> npt.NDArray[np.uint64]:
    """The content hashes as two columns, zeros for what is none."""
    text = _lines(payloads, Field.CONTENT_HASH)
    if text is not None and _HASHES.fullmatch(text):
        return words(bytes.fromhex(text))
    return words(b"".join(hash_bytes(payload.get(Field.CONTENT_HASH)) for payload in payloads))


def hash_bytes(text: object) -> bytes:
    """16 bytes; what somebody damaged reads as zeros."""
    try:
        found = bytes.fromhex(str(text))
    except ValueError:
        return _NO_HASH
    return found if len(found) == len(_NO_HASH) else _NO_HASH


def marks(payloads: Payloads) -> npt.NDArray[np.int8]:
    """Places in MARKS."""
    name = Field.MARK.value
    try:
        return np.array([_PLACES[payload[name]] for payload in payloads], np.int8)
    except (KeyError, TypeError):
        return np.array([MARKS.index(mark(payload)) for payload in payloads], np.int8)


def words(packed: bytes) -> npt.NDArray[np.uint64]:
    """16 bytes each as two big-endian columns: uint64[n, 2]."""
    return np.frombuffer(packed, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def _lines(payloads: Payloads, field: Field) -> str | None:
    """The values, each with a line's end; None if one is no text."""
    name = field.value
    try:
        text = "".join([payload[name] + "\n" for payload in payloads])
    except (KeyError, TypeError):
        return None
    return text if text.count("\n") == len(payloads) else None


class Refs(Sequence[Ref | None]):
    """Refs that are made when they are looked at: a walk looks at few."""

    def __init__(self, payloads: Payloads) -> None:
        names = (Field.TENANT.value, Field.NAMESPACES.value, Field.KEY.value)
        self._columns = [[payload.get(name) for payload in payloads] for name in names]

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, at: int) -> Ref | None: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Ref | None]: ...
    def __getitem__(self, at: int | slice) -> Ref | Sequence[Ref | None] | None:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        tenant, namespaces, key = (column[at] for column in self._columns)
        return ref({Field.TENANT: tenant, Field.NAMESPACES: namespaces, Field.KEY: key})
