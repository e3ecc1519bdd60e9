"""The audit's table: insert only, read by time."""

import json
import sqlite3
import uuid
from collections.abc import Sequence
from typing import Any

from syncline_contracts.audit import AuditRecord
from syncline_store.engines.columns import decoded, encoded
from syncline_store.engines.cursor import decode_cursor, encode_cursor, foreign_cursor
from syncline_store.engines.protocol import EVERY_RECORD, AuditFilter, Page
from syncline_store.engines.sqlite.connection import Connections, transaction

_COLUMNS = "id, at, who, action, tenant, namespace, key, details, outcome"
_NAMES = _COLUMNS.split(", ")
_INSERT = f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608 - names of columns only
_WHERE = "(:action IS NULL OR action = :action) AND (:tenant IS NULL OR tenant = :tenant) AND at >= :since AND at < :until"
_BACK = f"SELECT {_COLUMNS} FROM audit WHERE (at, id) < (:at, :id) AND {_WHERE} ORDER BY at DESC, id DESC LIMIT :limit"  # noqa: S608 - as above
_ON = f"SELECT {_COLUMNS} FROM audit WHERE (at, id) > (:at, :id) AND {_WHERE} ORDER BY at, id LIMIT :limit"  # noqa: S608 - as above

_FIRST, _LAST = -(1 << 63), (1 << 63) - 1


class SqliteAudit:
    """Who did what."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def record(self, records: Sequence[AuditRecord]) -> None:
        """Durable on return."""
        rows = [_columns(record) for record in records]
        if rows:
            await self._connections.writing.run(lambda connection: _insert(connection, rows))

    async def scan(
        self, after: str | None, limit: int, *, where: AuditFilter = EVERY_RECORD, newest_first: bool = True
    ) -> Page[AuditRecord]:
        """A page. Raises InvalidQuery for a cursor that is not this listing's."""
        at, record = (_LAST if newest_first else _FIRST, b"") if after is None else _place(after)
        bounds = {
            "at": at,
            "id": record,
            "limit": limit,
            "action": where.action,
            "tenant": where.tenant,
            "since": _FIRST if where.since is None else where.since,
            "until": _LAST if where.until is None else where.until,
        }
        statement = _BACK if newest_first else _ON
        found = await self._connections.reading.run(lambda connection: connection.execute(statement, bounds).fetchall())
        records = [_record(columns) for columns in found]
        return Page(records, encode_cursor(records[-1].at, records[-1].id.hex) if limit and len(records) == limit else None)


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    with transaction(connection):
        connection.executemany(_INSERT, rows)


def _place(cursor: str) -> tuple[int, bytes]:
    at, record = decode_cursor(cursor, int, str)
    try:
        return at, bytes.fromhex(record)
    except ValueError:
        raise foreign_cursor(cursor) from None


def _columns(record: AuditRecord) -> tuple[Any, ...]:
    namespace = None if record.namespace is None else encoded(record.namespace)
    details = json.dumps(record.details, ensure_ascii=False)
    return (record.id.bytes, record.at, record.who, record.action, record.tenant, namespace, record.key, details, record.outcome)


def _record(columns: tuple[Any, ...]) -> AuditRecord:
    found = dict(zip(_NAMES, columns, strict=True))
    found["id"] = uuid.UUID(bytes=found["id"])
    found["namespace"] = None if found["namespace"] is None else decoded(found["namespace"])
    found["details"] = json.loads(found["details"])
    return AuditRecord.model_validate(found)
