"""A server's payload indexes for the filterable fields that namespaces declare with a type: made when the first document comes."""

import asyncio
import logging

from qdrant_client import AsyncQdrantClient, models

from syncline_store.filters.declared import Declared, FieldType
from syncline_store.filters.qdrant import field_key
from syncline_store.index.client import Client
from syncline_store.index.points import Field

MOST_INDEXED = 64
"""Of one collection, for all namespaces together: each costs a server memory. Fields beyond are filtered without."""
_SCHEMAS = {
    FieldType.KEYWORD: models.PayloadSchemaType.KEYWORD,
    FieldType.FLOAT: models.PayloadSchemaType.FLOAT,
    FieldType.BOOL: models.PayloadSchemaType.BOOL,
}

_log = logging.getLogger(__name__)


class DeclaredFields:
    """Those of one collection. What is there already stays as it is: of two types for one path the first wins."""

    def __init__(self, client: Client, collection: str) -> None:
        self._client = client
        self._collection = collection
        self._there: set[str] | None = None
        self._full = False
        self._making = asyncio.Lock()

    async def make(self, fields: Declared) -> None:
        """Idempotent. A server builds them on its own time, but before it takes the next upsert. Raises IndexUnavailable."""
        wanted = {_key(path): kind for path, kind in fields if kind is not None}
        if not wanted or self._client.local:
            return
        async with self._making:
            if self._there is None:
                self._there = await self._client.call(self._read)
            for key, kind in wanted.items():
                if key not in self._there and self._has_room(self._there, key):
                    await self._client.call(lambda qdrant, key=key, kind=kind: self._make(qdrant, key, kind))  # type: ignore[misc]  # as in remote.py
                    self._there.add(key)

    async def _read(self, qdrant: AsyncQdrantClient) -> set[str]:
        schema = (await qdrant.get_collection(self._collection)).payload_schema
        return {name for name in schema if name.startswith(f"{Field.FIELDS}.")}

    async def _make(self, qdrant: AsyncQdrantClient, key: str, kind: FieldType) -> object:
        return await qdrant.create_payload_index(self._collection, key, _SCHEMAS[kind], wait=False)

    def _has_room(self, there: set[str], key: str) -> bool:
        if len(there) < MOST_INDEXED:
            return True
        if not self._full:
            self._full = True
            _log.warning(
                "%s has %d payload indexes of declared fields, no more are made (%s is filtered without): declare types for fewer fields",
                self._collection,
                len(there),
                key,
            )
        return False


def _key(path: str) -> str:
    return field_key(tuple(path.split(".")))
