"""What a TTL does by itself in CQL: rows, outbox rows, audit records and closed dead letters whose life has ended are removed."""

import sqlite3
from collections.abc import Callable, Mapping
from functools import partial

from syncline_store.engines.sqlite.connection import Connections, transaction

CHUNK = 500
"""Rows in one transaction: a put waits for one at most."""

_DOCUMENTS = """
DELETE FROM documents
WHERE rowid IN (SELECT rowid FROM documents WHERE ends_at <= :now LIMIT :chunk)"""
_OUTBOX = """
DELETE FROM outbox
WHERE shard = :shard AND (at, tie) IN (SELECT at, tie FROM outbox WHERE shard = :shard AND at <= :before ORDER BY at, tie LIMIT :chunk)"""

_AUDIT = "DELETE FROM audit WHERE (at, id) IN (SELECT at, id FROM audit WHERE at <= :before ORDER BY at, id LIMIT :chunk)"
# None was closed before its first failure: by first_at, which is indexed, few others are looked at. What is open has no closed_at.
_ENDED = "SELECT id FROM dead_letters WHERE first_at <= :before AND closed_at <= :before ORDER BY first_at, id LIMIT :chunk"
_REASONS = "DELETE FROM dead_letters_reasons WHERE letter = ?"
_LETTERS = "DELETE FROM dead_letters WHERE id = ?"


class Expiry:
    """Removes in small transactions, so that writers get in between."""

    def __init__(self, connections: Connections, shards: int, *, outbox_life: int, audit_life: int, closed_letters_life: int) -> None:
        self._connections = connections
        self._shards = shards
        self._outbox_life = outbox_life
        self._audit_life = audit_life
        self._closed_letters_life = closed_letters_life

    async def expire(self, now: int) -> int:
        """How many rows were removed."""
        removed = await self._all(_DOCUMENTS, {"now": now})
        for shard in range(self._shards):
            removed += await self._all(_OUTBOX, {"shard": shard, "before": now - self._outbox_life})
        removed += await self._all(_AUDIT, {"before": now - self._audit_life})
        return removed + await self._chunks(partial(_end_letters, before=now - self._closed_letters_life))

    async def _all(self, statement: str, parameters: Mapping[str, int]) -> int:
        bounds = {**parameters, "chunk": CHUNK}
        return await self._chunks(lambda connection: connection.execute(statement, bounds).rowcount)

    async def _chunks(self, delete: Callable[[sqlite3.Connection], int]) -> int:
        removed = 0
        while (chunk := await self._connections.writing.run(delete)) > 0:
            removed += chunk
        return removed


def _end_letters(connection: sqlite3.Connection, before: int) -> int:
    """Closed ones, with their reasons."""
    with transaction(connection):
        ended = connection.execute(_ENDED, {"before": before, "chunk": CHUNK}).fetchall()
        connection.executemany(_REASONS, ended)
        connection.executemany(_LETTERS, ended)
    return len(ended)
