"""The text of rows and its passages, off the event loop where it is much."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Sequence

from syncline_contracts.errors import DocumentRefused
from syncline_contracts.identity import Namespace
from syncline_store.document import INDEX_AS_NAMESPACE, Row
from syncline_store.engines.protocol import Namespaces, NamespaceSettings
from syncline_store.filters.fields import filterable
from syncline_store.indexing.decide import Content
from syncline_store.indexing.passages import Splitter
from syncline_store.indexing.text import paths, text_of

MUCH = 100_000
"""Characters of JSON that are worth a hop to a worker thread."""
MAX_REMEMBERED = 4096
"""Namespaces whose settings are kept: they are fixed at the first write."""


class Reader:
    """Reads what rows are to be embedded as."""

    def __init__(self, namespaces: Namespaces, splitter: Splitter) -> None:
        self._namespaces = namespaces
        self._splitter = splitter
        self._fields: OrderedDict[tuple[str, Namespace], tuple[str, ...]] = OrderedDict()

    async def contents(self, rows: Sequence[Row]) -> list[Content | DocumentRefused]:
        """One for each row, in order."""
        asked = [(row, await self._fields_of(row)) for row in rows]
        if sum(len(row.value or "") for row in rows) < MUCH:
            return [self._content(row, fields) for row, fields in asked]
        return await asyncio.to_thread(lambda: [self._content(row, fields) for row, fields in asked])

    async def _fields_of(self, row: Row) -> tuple[str, ...]:
        if row.index_spec != INDEX_AS_NAMESPACE:
            return ()
        whose = (row.ref.tenant, row.ref.namespace)
        if whose in self._fields:
            self._fields.move_to_end(whose)
            return self._fields[whose]
        settings = await self._namespaces.get(*whose)
        if settings is None:  # not to be remembered: its first writer may be about to say otherwise
            return NamespaceSettings().fields
        self._fields[whose] = settings.fields
        if len(self._fields) > MAX_REMEMBERED:
            self._fields.popitem(last=False)
        return settings.fields

    def _content(self, row: Row, fields: Sequence[str]) -> Content | DocumentRefused:
        try:
            value = json.loads(row.value or "{}")
            text = text_of(value, paths(row.index_spec, fields))
            return Content(self._splitter.split(text), self._splitter.text_hash(text), filterable(value))
        except DocumentRefused as error:
            return error
        except (ValueError, RecursionError) as error:  # half a surrogate pair is a ValueError, too
            return DocumentRefused(f"its value cannot be read: {error!r}")
