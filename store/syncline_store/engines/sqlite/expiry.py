"""What a TTL does by itself in CQL: rows, outbox rows and audit records whose life has ended are removed."""

import sqlite3
from collections.abc import Mapping

from syncline_store.engines.sqlite.connection import Connections

CHUNK = 500
"""Rows in one transaction: a put waits for one at most."""

_DOCUMENTS = """
DELETE FROM documents
WHERE rowid IN (SELECT rowid FROM documents WHERE ends_at <= :now LIMIT :chunk)"""
_OUTBOX = """
DELETE FROM outbox
WHERE shard = :shard AND (at, tie) IN (SELECT at, tie FROM outbox WHERE shard = :shard AND at <= :before ORDER BY at, tie LIMIT :chunk)"""

_AUDIT = "DELETE FROM audit WHERE (at, id) IN (SELECT at, id FROM audit WHERE at <= :before ORDER BY at, id LIMIT :chunk)"


class Expiry:
    """Removes in small transactions, so that writers get in between."""

    def __init__(self, connections: Connections, shards: int, *, outbox_life: int, audit_life: int) -> None:
        self._connections = connections
        self._shards = shards
        self._outbox_life = outbox_life
        self._audit_life = audit_life

    async def expire(self, now: int) -> int:
        """How many rows were removed."""
        removed = await self._all(_DOCUMENTS, {"now": now})
        for shard in range(self._shards):
            removed += await self._all(_OUTBOX, {"shard": shard, "before": now - self._outbox_life})
        return removed + await self._all(_AUDIT, {"before": now - self._audit_life})

    async def _all(self, statement: str, parameters: Mapping[str, int]) -> int:
        bounds = {**parameters, "chunk": CHUNK}

        def delete(connection: sqlite3.Connection) -> int:
            return connection.execute(statement, bounds).rowcount

        removed = 0
        while (chunk := await self._connections.writing.run(delete)) > 0:
            removed += chunk
        return removed
