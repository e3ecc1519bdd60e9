"""Heads in packed columns, by ranges of tokens: some ranges are read at once, each page by page."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from syncline_contracts.identity import Ref
from syncline_store.document import INDEX_NOT
from syncline_store.engines.cql.partition import LOWEST, SEGMENT_SHIFT, decoded, ranges, tokens
from syncline_store.engines.cql.session import CqlSession
from syncline_store.engines.cql.statements.documents import HEADS
from syncline_store.engines.protocol import Heads

_PAGE = 5_000

Rows = Sequence[tuple[Any, ...]]


async def read(session: CqlSession, first: int, last: int, block: int) -> AsyncIterator[Heads]:
    """Blocks as they arrive. What is under way when the walk is given up is awaited."""
    parts = [
        session.pages(HEADS, *tokens(start, end), size=min(block, _PAGE))
        for start, end in ranges(first, last, session.settings.scan_ranges)
    ]
    waiting = {asyncio.ensure_future(_next(part)): part for part in parts}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                part, rows = waiting.pop(task), task.result()
                if rows is None:
                    continue
                waiting[asyncio.ensure_future(_next(part))] = part
                if heads := _heads(rows):
                    yield heads
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for part in parts:
            await part.aclose()


async def _next(part: AsyncIterator[Rows]) -> Rows | None:
    """A page, None behind the last one."""
    return await anext(part, None)


def _heads(rows: Rows) -> Heads | None:
    """None where nothing is left: a page may be empty, or hold only what documents leave behind when they end."""
    living = [columns for columns in rows if columns[4] is not None]
    if not living:
        return None
    tenants, namespaces, keys, places, revisions, hashes, expires_at, deleted, specs = zip(*living, strict=True)
    refs = Refs(tenants, namespaces, keys)
    segments = (np.array(places, dtype=np.int64).astype(np.uint64) + np.uint64(-LOWEST)) >> np.uint64(SEGMENT_SHIFT)
    return Heads(
        refs=refs,
        ids=_pairs([refs.document(at).bytes for at in range(len(refs))]),
        content_hashes=_pairs(hashes),
        revisions=np.array(revisions, dtype=np.int64),
        expires_at=np.array(expires_at, dtype=np.int64),
        deleted=np.array(deleted, dtype=np.bool_),
        indexed=np.array([spec != INDEX_NOT for spec in specs], dtype=np.bool_),
        segments=segments.astype(np.int16),
    )


def _pairs(values: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """16 bytes each as two big-endian numbers."""
    return np.frombuffer(b"".join(values), dtype=">u8").reshape(-1, 2).astype(np.uint64)


class Refs(Sequence[Ref]):
    """Refs that are made when they are looked at: a walk looks at few."""

    def __init__(self, tenants: Sequence[str], namespaces: Sequence[str], keys: Sequence[str]) -> None:
        self._tenants = tenants
        self._namespaces = namespaces
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def document(self, at: int) -> uuid.UUID:
        """The id of one."""
        return Ref(self._tenants[at], decoded(self._namespaces[at]), self._keys[at]).document

    @overload
    def __getitem__(self, at: int) -> Ref: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Ref]: ...
    def __getitem__(self, at: int | slice) -> Ref | Sequence[Ref]:
        if isinstance(at, slice):
            return Refs(self._tenants[at], self._namespaces[at], self._keys[at])
        return Ref(self._tenants[at], decoded(self._namespaces[at]), self._keys[at])
