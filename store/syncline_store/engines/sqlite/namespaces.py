"""The directory of namespaces."""

import sqlite3
from collections.abc import Sequence

from syncline_contracts.identity import Namespace, decode_namespace, encode_namespace
from syncline_store import namespace_settings as settings
from syncline_store.engines.cursor import decode_cursor, encode_cursor
from syncline_store.engines.protocol import NamespaceSettings, Page
from syncline_store.engines.sqlite.connection import Connections, transaction
from syncline_store.engines.sqlite.documents import prefix_range, refuse_outside

_GET = "SELECT buckets, fields FROM namespaces WHERE tenant = ? AND namespace = ?"
_ADD = "INSERT INTO namespaces (tenant, namespace, buckets, fields) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_DECLARING = """
SELECT min(namespace), min(buckets), fields FROM namespaces INDEXED BY namespaces_declaring
WHERE tenant = ? AND namespace >= ? AND namespace < ? AND fields >= '{' GROUP BY fields"""
_LIST = "SELECT namespace FROM namespaces WHERE tenant = ? AND namespace >= ? AND namespace < ? ORDER BY namespace LIMIT ?"
_LIST_ON = "SELECT namespace FROM namespaces WHERE tenant = ? AND namespace > ? AND namespace < ? ORDER BY namespace LIMIT ?"


class SqliteNamespaces:
    """Namespaces and their settings, in one table."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def ensure(self, tenant: str, namespace: Namespace, wanted: NamespaceSettings) -> NamespaceSettings:
        """The first writer's settings."""
        encoded = encode_namespace(namespace)
        known = await self.get(tenant, namespace)
        if known is not None:
            return known
        encoded = encode_namespace(namespace)
        return await self._connections.writing.run(lambda connection: _ensure(connection, tenant, encoded, wanted))

    async def get(self, tenant: str, namespace: Namespace) -> NamespaceSettings | None:
        """The settings, where anything was ever written."""
        return await self._connections.reading.run(lambda connection: _get(connection, tenant, encode_namespace(namespace)))

    async def list(self, tenant: str, prefix: Namespace, after: str | None, limit: int) -> Page[Namespace]:
        """A page in order. Raises InvalidQuery for a cursor that is not this listing's."""
        start, end = prefix_range(prefix)
        query = _LIST
        if after is not None:
            (last,) = decode_cursor(after, str)
            refuse_outside(after, last, start)
            query, start = _LIST_ON, last
        bounds = (tenant, start, end, limit)
        found = await self._connections.reading.run(lambda connection: connection.execute(query, bounds).fetchall())
        return Page(
            [decode_namespace(namespace) for (namespace,) in found], encode_cursor(found[-1][0]) if limit and len(found) == limit else None
        )

    async def declarations(self, tenant: str, prefix: Namespace) -> Sequence[tuple[Namespace, NamespaceSettings]]:
        """Those whose `fields` are a JSON object."""
        bounds = (tenant, *prefix_range(prefix))
        found = await self._connections.reading.run(lambda connection: connection.execute(_DECLARING, bounds).fetchall())
        return [(decode_namespace(namespace), settings.decoded(buckets, fields)) for namespace, buckets, fields in found]


def _get(connection: sqlite3.Connection, tenant: str, namespace: str) -> NamespaceSettings | None:
    found = connection.execute(_GET, (tenant, namespace)).fetchone()
    return None if found is None else settings.decoded(*found)


def _ensure(connection: sqlite3.Connection, tenant: str, namespace: str, wanted: NamespaceSettings) -> NamespaceSettings:
    with transaction(connection):
        connection.execute(_ADD, (tenant, namespace, wanted.buckets, settings.encoded(wanted)))
        return _get(connection, tenant, namespace) or wanted
