"""What both engines make of a table's columns: names decoded, and heads packed."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import overload

import numpy as np
import numpy.typing as npt

from syncline_contracts.identity import Ref, decode_namespace, encode_namespace
from syncline_store.document import INDEX_NOT
from syncline_store.engines.protocol import Heads

encoded = lru_cache(maxsize=10_000)(encode_namespace)
decoded = lru_cache(maxsize=10_000)(decode_namespace)


def pairs(values: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """16 bytes each as two big-endian numbers."""
    return np.frombuffer(b"".join(values), dtype=">u8").reshape(-1, 2).astype(np.uint64)


def packed(
    refs: "Refs",
    *,
    documents: Sequence[bytes],
    hashes: Sequence[bytes],
    revisions: Sequence[int],
    expires_at: Sequence[int],
    deleted: Sequence[object],
    specs: Sequence[str],
    segments: Callable[[npt.NDArray[np.uint64]], npt.NDArray[np.uint64]],
) -> Heads:
    """Heads of columns that were read; `documents` are the ids' bytes, and `segments` is given the ids as pairs of numbers."""
    ids = pairs(documents)
    return Heads(
        refs=refs,
        ids=ids,
        content_hashes=pairs(hashes),
        revisions=np.array(revisions, dtype=np.int64),
        expires_at=np.array(expires_at, dtype=np.int64),
        deleted=np.array(deleted, dtype=np.bool_),
        indexed=np.array([spec != INDEX_NOT for spec in specs], dtype=np.bool_),
        segments=segments(ids).astype(np.int16),
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
