"""The documents' rows: last write wins by revision, both rows of a write in one transaction."""

import sqlite3
import uuid
from collections.abc import AsyncIterator, Sequence

from syncline_contracts.errors import InvalidDocument
from syncline_contracts.identity import Namespace, Ref, encode_namespace
from syncline_store.document import Row, Write
from syncline_store.engines.columns import decoded, encoded
from syncline_store.engines.cursor import decode_cursor, encode_cursor, foreign_cursor
from syncline_store.engines.protocol import (
    Amount,
    ConditionalOutcome,
    Grouping,
    Heads,
    Lost,
    Page,
    Refused,
    Shadowed,
    Stored,
    Unknown,
    Won,
    WriteOutcome,
)
from syncline_store.engines.sqlite import heads
from syncline_store.engines.sqlite.connection import Connections
from syncline_store.engines.sqlite.errors import is_outage, primary_code, unavailable
from syncline_store.engines.sqlite.outbox import TOO_SLOW, Columns, SqliteOutbox, event_columns, watch
from syncline_store.engines.sqlite.position import Positions

_COLUMNS = "tenant, namespace, key, revision, expires_at, deleted, content_hash, write_id, index_spec, created_at, updated_at, value"

# A later revision replaces every column but created_at, which keeps the earliest.
_PUT = """
INSERT INTO documents (tenant, namespace, key, document, revision, expires_at, ends_at, deleted, content_hash, write_id,
                       index_spec, created_at, updated_at, value)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, namespace, key) DO UPDATE SET
    revision = excluded.revision, expires_at = excluded.expires_at, ends_at = excluded.ends_at, deleted = excluded.deleted,
    content_hash = excluded.content_hash, write_id = excluded.write_id, index_spec = excluded.index_spec,
    created_at = min(created_at, excluded.created_at), updated_at = excluded.updated_at, value = excluded.value
WHERE excluded.revision > revision"""

# The same revision and columns with a later expiry: the row lives longer.
_EXTEND = """
UPDATE documents SET expires_at = :expires_at, ends_at = :ends_at
WHERE document = :document AND revision = :revision AND expires_at < :expires_at
  AND content_hash = :content_hash AND deleted = :deleted AND index_spec = :index_spec"""

# A write that came after a later one, but was made before the first that we knew of.
_EARLIER = "UPDATE documents SET created_at = :created_at WHERE document = :document AND created_at > :created_at"

_READ = f"SELECT {_COLUMNS} FROM documents WHERE tenant = ? AND namespace = ? AND key = ?"  # noqa: S608 - names of columns only

# A prefix is the range [encoded, encoded with its last character raised by one).
_SCAN = f"""
SELECT {_COLUMNS} FROM documents
WHERE tenant = ? AND namespace >= ? AND namespace < ?
ORDER BY namespace, key LIMIT ?"""  # noqa: S608 - names of columns only
_SCAN_ON = f"""
SELECT {_COLUMNS} FROM documents
WHERE tenant = ? AND (namespace, key) > (?, ?) AND namespace < ?
ORDER BY namespace, key LIMIT ?"""  # noqa: S608 - names of columns only

# length() of a text counts characters.
_AMOUNT = """
SELECT count(*), coalesce(sum(length(CAST(value AS BLOB))), 0) FROM documents
WHERE tenant = ? AND deleted = 0 AND expires_at > ?"""

_ESTIMATE = "SELECT max(rowid) FROM documents"

_STORED = Stored()
_GROUPING = Grouping(items=1_000, at_once=1)
_UNFIT = (sqlite3.Error, OverflowError, UnicodeError)
"""What SQLite and its module raise for a value that they cannot take (and the first for much else)."""


class SqliteDocuments:
    """Rows of documents, in one table."""

    def __init__(self, connections: Connections, positions: Positions, outbox: SqliteOutbox) -> None:
        self._connections = connections
        self._positions = positions
        self._outbox = outbox

    @property
    def lateness(self) -> int:
        """A document and its event are readable at once."""
        return 0

    @property
    def grouping(self) -> Grouping:
        """One transaction at a time, and the larger it is the better: there is one writer, and each commit waits for the disk."""
        return _GROUPING

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteOutcome]:
        """One transaction for all of them; one that cannot be stored is left out, with its reason."""
        if not writes:
            return []
        return await self._connections.writing.run(lambda connection: self._write(connection, writes))

    async def read(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        """The rows, in the order asked."""
        if not refs:
            return []
        return await self._connections.reading.run(lambda connection: [_read(connection, ref) for ref in refs])

    async def read_serial(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        """The rows: every read sees what was committed before it."""
        return await self.read(refs)

    async def write_if(self, write: Write, expected: Row | None) -> ConditionalOutcome:
        """The row is looked at, and replaced with its event, in one transaction."""
        return await self._connections.writing.run(lambda connection: self._write_if(connection, write, expected))

    async def scan(self, tenant: str, prefix: Namespace, after: str | None, limit: int) -> Page[Row]:
        """A page in (namespace, key) order. Raises InvalidQuery for a cursor that is not this listing's."""
        start, end = prefix_range(prefix)
        bounds: tuple[str | bytes | int, ...]
        if after is None:
            query, bounds = _SCAN, (tenant, start, end, limit)
        else:
            namespace, key = decode_cursor(after, str, str)
            refuse_outside(after, namespace, start)
            query, bounds = _SCAN_ON, (tenant, namespace, key, end, limit)
        found = await self._connections.reading.run(lambda connection: connection.execute(query, bounds).fetchall())
        more = encode_cursor(found[-1][1], found[-1][2]) if limit and len(found) == limit else None
        return Page([_row(columns) for columns in found], more)

    def heads(self, first: int, last: int, block: int = 10_000) -> AsyncIterator[Heads]:
        """Heads of the segments first..last, read in blocks."""
        return heads.read(self._connections.reading, first, last, block)

    def segment(self, ref: Ref) -> int:
        """The top 12 bits of the document's id."""
        return heads.segment(ref)

    async def amount(self, tenant: str, now: int) -> Amount:
        """One query, on a thread that reads."""
        found = await self._connections.reading.run(lambda connection: connection.execute(_AMOUNT, (tenant, now)).fetchone())
        return Amount(*found)

    async def estimate(self) -> int:
        """The highest row number: rows that were removed still count."""
        found = await self._connections.reading.run(lambda connection: connection.execute(_ESTIMATE).fetchone())
        return int(found[0] or 0)

    def _write(self, connection: sqlite3.Connection, writes: Sequence[Write]) -> list[WriteOutcome]:
        try:
            return self._together(connection, writes)
        except _UNFIT as error:
            if is_outage(error):
                raise
            return [self._alone(connection, write) for write in writes]

    def _alone(self, connection: sqlite3.Connection, write: Write) -> WriteOutcome:
        """One write of a batch that was refused as a whole."""
        try:
            return self._together(connection, [write])[0]
        except _UNFIT as error:
            if is_outage(error):  # some of its batch may be stored by now: not to be raised for all of them
                return Unknown(str(unavailable(error, self._connections.path)))
            return Refused(InvalidDocument("document", f"{write.event.key[:80]!r} cannot be stored: {error}"))

    def _together(self, connection: sqlite3.Connection, writes: Sequence[Write]) -> list[WriteOutcome]:
        now = self._positions.now()
        events = [event_columns(write.event) for write in writes]
        rows = [_columns(write, event, now) for write, event in zip(writes, events, strict=True)]
        connection.execute("BEGIN IMMEDIATE")
        is_late = watch()
        self._put(connection, rows, events)
        unknown = self._commit(connection)
        if unknown is None and is_late():
            unknown = self._event_again(connection, events)
        return [unknown or _STORED] * len(writes)

    def _write_if(self, connection: sqlite3.Connection, write: Write, expected: Row | None) -> ConditionalOutcome:
        try:
            return self._replace(connection, write, expected)
        except _UNFIT as error:
            if is_outage(error):
                raise
            return Refused(InvalidDocument("document", f"{write.event.key[:80]!r} cannot be stored: {error}"))

    def _replace(self, connection: sqlite3.Connection, write: Write, expected: Row | None) -> ConditionalOutcome:
        event = event_columns(write.event)
        connection.execute("BEGIN IMMEDIATE")
        is_late = watch()
        try:
            found = _read(connection, write.ref)
            if (against := _against(write, expected, found)) is not None:
                connection.execute("ROLLBACK")
                return against
            self._put(connection, [_columns(write, event, self._positions.now())], [event])
            there = _read(connection, write.ref)
        except BaseException:
            _roll_back(connection)
            raise
        unknown = self._commit(connection)
        if unknown is None and is_late():
            unknown = self._event_again(connection, [event])
        return unknown or (Lost(there) if there is None else Won(there))

    def _put(self, connection: sqlite3.Connection, rows: Sequence[Columns], events: Sequence[Columns]) -> None:
        try:
            self._outbox.insert(connection, events)
            if connection.executemany(_PUT, rows).rowcount < len(rows):
                _losers(connection, rows)
        except BaseException:
            _roll_back(connection)
            raise

    def _event_again(self, connection: sqlite3.Connection, events: Sequence[Columns]) -> Unknown | None:
        try:
            return None if self._outbox.insert_again(connection, events) else Unknown(f"it is stored, but {TOO_SLOW}")
        except sqlite3.Error as error:
            return Unknown(f"it is stored, but its event may come too late: {unavailable(error, self._connections.path)}")

    def _commit(self, connection: sqlite3.Connection) -> Unknown | None:
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            if primary_code(error) != sqlite3.SQLITE_IOERR:
                raise
            # The log's write may have reached the disk though its sync failed.
            return Unknown(str(unavailable(error, self._connections.path)))
        return None


def prefix_range(prefix: Namespace) -> tuple[str, str | bytes]:
    """Encoded namespaces at and below a prefix: start <= namespace < end. Any blob sorts behind all text in SQLite."""
    start = encode_namespace(prefix)
    return start, start[:-1] + chr(ord(start[-1]) + 1) if start else b""


def refuse_outside(cursor: str, namespace: str, start: str) -> None:
    """A cursor of another listing must not let its reader out of the prefix."""
    if not namespace.startswith(start):
        raise foreign_cursor(cursor)


def _columns(write: Write, event: Columns, now: int) -> Columns:
    identifier, tenant, namespace, key, revision, _, expires_at, first_at, _, _ = event
    return (
        tenant,
        namespace,
        key,
        write.ref.document.bytes,
        revision,
        expires_at,
        None if write.ttl is None else now + write.ttl * 1_000_000,
        write.value is None,
        write.content_hash,
        identifier,
        write.index_spec,
        first_at,
        first_at,
        write.value,
    )


def _against(write: Write, expected: Row | None, found: Row | None) -> ConditionalOutcome | None:
    """What stands against a conditional write; None: nothing does. An attempt of unknown outcome may have landed it already."""
    if found is not None and found.write_id == write.event.id:
        return Won(found)
    if (found and found.write_id) != (expected and expected.write_id):
        return Lost(found)
    if found is not None and found.revision >= write.revision:
        return Shadowed(f"the document's revision, {found.revision}, is not below that of the write, {write.revision}")
    return None


def _losers(connection: sqlite3.Connection, rows: Sequence[Columns]) -> None:
    """What a write may still change where a revision as great or greater is there."""
    named = [
        {
            "document": row[3],
            "revision": row[4],
            "expires_at": row[5],
            "ends_at": row[6],
            "deleted": row[7],
            "content_hash": row[8],
            "index_spec": row[10],
            "created_at": row[11],
        }
        for row in rows
    ]
    connection.executemany(_EXTEND, named)
    connection.executemany(_EARLIER, named)


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _read(connection: sqlite3.Connection, ref: Ref) -> Row | None:
    found = connection.execute(_READ, (ref.tenant, encoded(ref.namespace), ref.key)).fetchone()
    return None if found is None else _row(found)


def _row(columns: Columns) -> Row:
    tenant, namespace, key, revision, expires_at, deleted, content_hash, write_id, index_spec, created_at, updated_at, value = columns
    return Row(
        ref=Ref(tenant, decoded(namespace), key),
        revision=revision,
        value=value,
        content_hash=content_hash,
        write_id=uuid.UUID(bytes=write_id),
        deleted=bool(deleted),
        index_spec=index_spec,
        expires_at=expires_at,
        created_at=created_at,
        updated_at=updated_at,
    )
