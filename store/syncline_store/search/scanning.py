"""Searching without the index: what the filter alone finds in the source, for apps that would rather have that than an error.

Nothing is near or far here: the hits come in (namespace, key) order and have no score. Rows are read until the page is full, so a
filter that few documents satisfy reads everything below the prefix, a bounded number of rows at a time.
"""

from collections.abc import AsyncIterator

from syncline_store.directory import Directory
from syncline_store.document import INDEX_NOT, Document, Row
from syncline_store.filters import Condition, match
from syncline_store.search.hydrate import Hit


async def scanned(rows: AsyncIterator[Row], directory: Directory, condition: Condition | None, *, limit: int, offset: int) -> list[Hit]:
    """One page of what a search by filter would find were the index here. `rows`: the living ones below the prefix."""
    hits: list[Hit] = []
    async for row in rows:
        if await _is_found(row, directory, condition):
            hits.append(Hit(Document.of(row), None, None, None, None))
            if len(hits) == offset + limit:
                break
    return hits[offset:]


async def _is_found(row: Row, directory: Directory, condition: Condition | None) -> bool:
    if row.index_spec == INDEX_NOT:
        return False
    if condition is None:
        return True
    settings = await directory.settings(row.ref.tenant, row.ref.namespace)
    return match(condition, Document.of(row).value, settings.kept)
