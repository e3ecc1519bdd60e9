"""Heads in packed columns. The segment is the top of the document's id, so the index by id walks segments in order."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from syncline_contracts.identity import Ref
from syncline_store.document import INDEX_NOT
from syncline_store.engines.protocol import Heads
from syncline_store.engines.sqlite.lane import Lane
from syncline_store.engines.sqlite.outbox import decoded

_SEGMENT_SHIFT = 52
"""A segment is the top 12 of the first 64 bits."""
_ID_BITS = 128
_SEGMENT_BITS = 12

_BLOCK = """
SELECT document, content_hash, revision, expires_at, deleted, index_spec, tenant, namespace, key
FROM documents
WHERE document > ? AND document < ?
ORDER BY document LIMIT ?"""

Columns = tuple[Any, ...]


def segment(ref: Ref) -> int:
    """0..4095."""
    return int.from_bytes(ref.document.bytes[:2], "big") >> 4


async def read(lane: Lane, first: int, last: int, block: int) -> AsyncIterator[Heads]:
    """Blocks of heads; each is a read of its own, so that no transaction stays open between them."""
    after, end = _bounds(first, last)
    while found := await lane.run(lambda connection, after=after: _block(connection, after, end, block)):  # type: ignore[misc]  # a default argument
        heads, after = found
        yield heads
        if len(heads) < block:
            return


def _bounds(first: int, last: int) -> tuple[bytes, bytes]:
    """Blobs just before the first and just behind the last id of these segments: one that is cut short sorts before."""
    start = (first << (_ID_BITS - _SEGMENT_BITS)).to_bytes(_ID_BITS // 8 + 1, "big")
    end = ((last + 1) << (_ID_BITS - _SEGMENT_BITS)).to_bytes(_ID_BITS // 8 + 1, "big")
    beyond = b"\xff" * (_ID_BITS // 8 + 1)
    return start[1:3], beyond if end[0] else end[1:]


def _block(connection: sqlite3.Connection, after: bytes, end: bytes, block: int) -> tuple[Heads, bytes] | None:
    rows = connection.execute(_BLOCK, (after, end, block)).fetchall()
    if not rows:
        return None
    documents, hashes, revisions, expires_at, deleted, specs, tenants, namespaces, keys = zip(*rows, strict=True)
    ids = _pairs(documents)
    heads = Heads(
        refs=_Refs(tenants, namespaces, keys),
        ids=ids,
        content_hashes=_pairs(hashes),
        revisions=np.array(revisions, dtype=np.int64),
        expires_at=np.array(expires_at, dtype=np.int64),
        deleted=np.array(deleted, dtype=np.bool_),
        indexed=np.array([spec != INDEX_NOT for spec in specs], dtype=np.bool_),
        segments=(ids[:, 0] >> np.uint64(_SEGMENT_SHIFT)).astype(np.int16),
    )
    return heads, documents[-1]


def _pairs(values: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """16 bytes each as two big-endian numbers."""
    return np.frombuffer(b"".join(values), dtype=">u8").reshape(-1, 2).astype(np.uint64)


class _Refs(Sequence[Ref]):
    """Refs that are made when they are looked at: a walk looks at few."""

    def __init__(self, tenants: Sequence[str], namespaces: Sequence[str], keys: Sequence[str]) -> None:
        self._tenants = tenants
        self._namespaces = namespaces
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, at: int) -> Ref: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Ref]: ...
    def __getitem__(self, at: int | slice) -> Ref | Sequence[Ref]:
        if isinstance(at, slice):
            return _Refs(self._tenants[at], self._namespaces[at], self._keys[at])
        return Ref(self._tenants[at], decoded(self._namespaces[at]), self._keys[at])
