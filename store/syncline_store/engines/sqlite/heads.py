"""Heads in packed columns. The segment is the top of the document's id, so the index by id walks segments in order."""

import sqlite3
from collections.abc import AsyncIterator

import numpy as np

from syncline_contracts.identity import Ref
from syncline_store.engines.columns import Refs, packed, pairs
from syncline_store.engines.protocol import Heads
from syncline_store.engines.sqlite.lane import Lane

_SEGMENT_SHIFT = 52
"""A segment is the top 12 of the first 64 bits."""
_ID_BITS = 128
_SEGMENT_BITS = 12

_BLOCK = """
SELECT document, content_hash, revision, expires_at, deleted, index_spec, tenant, namespace, key
FROM documents
WHERE document > ? AND document < ?
ORDER BY document LIMIT ?"""


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
    ids = pairs(documents)
    heads = packed(
        Refs(tenants, namespaces, keys),
        ids=ids,
        hashes=hashes,
        revisions=revisions,
        expires_at=expires_at,
        deleted=deleted,
        specs=specs,
        segments=ids[:, 0] >> np.uint64(_SEGMENT_SHIFT),
    )
    return heads, documents[-1]
