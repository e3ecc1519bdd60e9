"""What both engines make of a table's columns: names decoded, and heads packed."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha1
from typing import overload

import numpy as np
import numpy.typing as npt

from syncline_contracts.identity import DOCUMENTS, END, Ref, decode_namespace, encode_namespace
from syncline_store.document import INDEX_NOT
from syncline_store.engines.protocol import Heads

encoded = lru_cache(maxsize=10_000)(encode_namespace)
decoded = lru_cache(maxsize=10_000)(decode_namespace)
_END = END.encode()
_SHA1 = 20
"""Bytes of a digest; an id is the first 16 of them, but for its version and its variant."""
_VERSION, _VERSION_5 = np.uint64(0xF000), np.uint64(0x5000)
_VARIANT, _RFC_9562 = np.uint64(0xC << 60), np.uint64(0x8 << 60)


def pairs(values: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """16 bytes each as two big-endian numbers."""
    return np.frombuffer(b"".join(values), dtype=">u8").reshape(-1, 2).astype(np.uint64)


def document_ids(tenants: Sequence[str], namespaces: Sequence[str], keys: Sequence[str]) -> npt.NDArray[np.uint64]:
    """The ids of many documents as two big-endian numbers each, namespaces encoded: as `Ref.document`, without a Ref for each."""
    names = zip(map(_above, tenants, namespaces), map(_last_part, keys), strict=True)
    digests = b"".join([sha1(above + last).digest() for above, last in names])  # noqa: S324 - uuid5 is SHA-1
    ids = np.frombuffer(digests, np.uint8).reshape(-1, _SHA1)[:, :16].copy().view(">u8").astype(np.uint64)
    ids[:, 0] = ids[:, 0] & ~_VERSION | _VERSION_5
    ids[:, 1] = ids[:, 1] & ~_VARIANT | _RFC_9562
    return ids


@lru_cache(maxsize=10_000)  # rows come partition by partition
def _above(tenant: str, namespace: str) -> bytes:
    return DOCUMENTS.bytes + (encode_namespace((tenant,)) + namespace).encode()


def _last_part(key: str) -> bytes:
    """Most keys need no escape, which is what takes its time."""
    return key.encode() + _END if key.isprintable() else encode_namespace((key,)).encode()


def packed(
    refs: "Refs",
    *,
    ids: npt.NDArray[np.uint64],
    hashes: Sequence[bytes],
    revisions: Sequence[int],
    expires_at: Sequence[int],
    deleted: Sequence[object],
    specs: Sequence[str],
    segments: npt.NDArray[np.uint64],
) -> Heads:
    """Heads of columns that were read."""
    return Heads(
        refs=refs,
        ids=ids,
        content_hashes=pairs(hashes),
        revisions=np.array(revisions, dtype=np.int64),
        expires_at=np.array(expires_at, dtype=np.int64),
        deleted=np.array(deleted, dtype=np.bool_),
        indexed=np.array([spec != INDEX_NOT for spec in specs], dtype=np.bool_),
        segments=segments.astype(np.int16),
    )


class Refs(Sequence[Ref]):
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
            return Refs(self._tenants[at], self._namespaces[at], self._keys[at])
        return Ref(self._tenants[at], decoded(self._namespaces[at]), self._keys[at])
