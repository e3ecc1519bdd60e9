"""The text of rows and its passages, off the event loop where it is much."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from syncline_contracts.errors import DocumentRefused, IndexMismatch
from syncline_contracts.identity import Namespace
from syncline_store.document import Row
from syncline_store.engines.protocol import Namespaces, NamespaceSettings
from syncline_store.filters.fields import filterable
from syncline_store.indexing.decide import Content
from syncline_store.indexing.passages import Splitter
from syncline_store.indexing.text import BETWEEN, texts_of

if TYPE_CHECKING:  # qdrant-client takes seconds to import
    from syncline_store.index.index import Index

MUCH = 100_000
"""Characters of JSON that are worth a hop to a worker thread."""
MAX_REMEMBERED = 4096
"""Namespaces whose settings are kept: they are fixed at the first write."""


class Reader:
    """Reads what rows are to be embedded as. Given an index, it is told of the fields that their namespaces declare."""

    def __init__(self, namespaces: Namespaces, splitter: Splitter, index: "Index | None" = None) -> None:
        self._namespaces = namespaces
        self._splitter = splitter
        self._index = index
        self._known: OrderedDict[tuple[str, Namespace], NamespaceSettings] = OrderedDict()

    async def contents(self, rows: Sequence[Row]) -> list[Content | DocumentRefused]:
        """One for each row, in order."""
        asked = [(row, await self._settings_of(row)) for row in rows]
        if sum(len(row.value or "") for row in rows) < MUCH:
            return [self._content(row, settings) for row, settings in asked]
        return await asyncio.to_thread(lambda: [self._content(row, settings) for row, settings in asked])

    async def _settings_of(self, row: Row) -> NamespaceSettings | DocumentRefused:
        whose = (row.ref.tenant, row.ref.namespace)
        if whose in self._known:
            self._known.move_to_end(whose)
            return self._known[whose]
        settings = await self._namespaces.get(*whose)
        if settings is None:  # not to be remembered: its first writer may be about to say otherwise
            return NamespaceSettings()
        if settings.filterable and self._index is not None:
            await self._index.declare(settings.filterable)
        if settings.hybrid is not None and self._index is not None:
            try:
                await self._index.take_words()
            except IndexMismatch as error:  # its namespace's documents alone: others have no words
                return DocumentRefused(str(error))
        self._known[whose] = settings
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return settings

    def _content(self, row: Row, settings: NamespaceSettings | DocumentRefused) -> Content | DocumentRefused:
        if isinstance(settings, DocumentRefused):
            return settings
        try:
            value = json.loads(row.value or "{}")
            texts = texts_of(value, row.index_spec, settings.fields)
            text_hash = self._splitter.text_hash(BETWEEN.join(texts), settings.hybrid)
            return Content(self._splitter.split_all(texts), text_hash, filterable(value, only=settings.kept), settings.hybrid)
        except DocumentRefused as error:
            return error
        except (ValueError, RecursionError) as error:  # half a surrogate pair is a ValueError, too
            return DocumentRefused(f"its value cannot be read: {error!r}")
