"""Heads in packed columns, by ranges of tokens: some ranges are read at once, each page by page."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np

from syncline_store.engines.columns import Refs, document_ids, packed
from syncline_store.engines.cql.partition import LOWEST, SEGMENT_SHIFT, ranges, tokens
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
    return packed(
        Refs(tenants, namespaces, keys),
        ids=document_ids(tenants, namespaces, keys),
        hashes=hashes,
        revisions=revisions,
        expires_at=expires_at,
        deleted=deleted,
        specs=specs,
        segments=(np.array(places, dtype=np.int64).astype(np.uint64) + np.uint64(-LOWEST)) >> np.uint64(SEGMENT_SHIFT),
    )
