"""The outbox's rows: inserted with their documents, or alone; read in the order of their positions."""

import secrets
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from syncline_contracts.errors import StorageUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_store.engines.columns import decoded, encoded
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.engines.sqlite.connection import Connections, transaction
from syncline_store.engines.sqlite.position import Positions

LATENESS = 2_000_000
"""µs within which a row is readable after the time in its pos: it is drawn under the write lock, just before the commit."""
_PUNCTUAL = LATENESS / 2 / 1e6
_ATTEMPTS = 5
TOO_SLOW = "the disk takes more than a second for a commit, so the relay could miss its events: look at the disk's load"

_INSERT = """
INSERT INTO outbox (shard, at, tie, id, tenant, namespace, key, revision, kind, expires_at, first_at, expects, traceparent)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_BETWEEN = "FROM outbox WHERE shard = ? AND (at, tie) > (?, ?) AND (at, tie) <= (?, ?) ORDER BY at, tie LIMIT ?"
_READ = f"SELECT at, tie, id, tenant, namespace, key, revision, kind, expires_at, first_at, expects, traceparent {_BETWEEN}"
_PLACES = f"SELECT at, tie {_BETWEEN}"

Columns = tuple[Any, ...]


class SqliteOutbox:
    """Insert-only rows. A batch's rows go to one shard, each batch's to the next."""

    def __init__(self, connections: Connections, positions: Positions, shards: int) -> None:
        self._connections = connections
        self._positions = positions
        self._shards = shards
        self._batches = count(secrets.randbelow(shards))

    @property
    def shards(self) -> int:
        """How many there are: 0..shards-1."""
        return self._shards

    @property
    def lateness(self) -> int:
        """Two seconds, in µs."""
        return LATENESS

    async def append(self, events: Sequence[ChangeEvent], due: int | None = None) -> None:
        """Rows without a document write, in one transaction; with `due`, at that time."""
        if events:
            columns = [event_columns(event) for event in events]
            await self._connections.writing.run(lambda connection: self._append(connection, columns, due))

    async def read(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[OutboxRow]:
        """Rows with after < pos <= until, in order."""
        bounds = (shard, after.at, after.tie, until.at, until.tie, limit)
        return await self._connections.reading.run(lambda connection: [_row(shard, found) for found in connection.execute(_READ, bounds)])

    async def places(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[Pos]:
        """Where they stand."""
        bounds = (shard, after.at, after.tie, until.at, until.tie, limit)
        return await self._connections.reading.run(lambda connection: [Pos(at, tie) for at, tie in connection.execute(_PLACES, bounds)])

    def insert(self, connection: sqlite3.Connection, events: Iterable[Columns], due: int | None = None) -> None:
        """Insert rows inside the caller's transaction, which holds the write lock already."""
        at = self._positions.now() if due is None else due
        shard = next(self._batches) % self._shards
        tie = self._positions.tie
        connection.executemany(_INSERT, [(shard, at, tie(), *columns) for columns in events])

    def _append(self, connection: sqlite3.Connection, events: Sequence[Columns], due: int | None) -> None:
        if not self._insert_in_time(connection, events, due) and not self.insert_again(connection, events):
            raise StorageUnavailable(TOO_SLOW)

    def insert_again(self, connection: sqlite3.Connection, events: Sequence[Columns]) -> bool:
        """Fresh rows for events whose commit took so long that every overlap may have passed them by.

        False when the fresh rows were late each time, too.
        """
        return any(self._insert_in_time(connection, events) for _ in range(_ATTEMPTS))

    def _insert_in_time(self, connection: sqlite3.Connection, events: Sequence[Columns], due: int | None = None) -> bool:
        with transaction(connection):
            is_late = watch()
            self.insert(connection, events, due)
        return not is_late()


def watch() -> Callable[[], bool]:
    """Call it where positions are drawn; what it gives tells after the commit whether the rows became readable too late."""
    drawn = time.monotonic()
    return lambda: time.monotonic() - drawn > _PUNCTUAL


def event_columns(event: ChangeEvent) -> Columns:
    """What the row of an event holds, its place apart."""
    return (
        event.id.bytes,
        event.tenant,
        encoded(event.namespace),
        event.key,
        event.revision,
        event.kind.value,
        event.expires_at,
        event.first_at,
        None if event.expects is None else event.expects.bytes,
        event.traceparent,
    )


def _row(shard: int, found: Columns) -> OutboxRow:
    at, tie, event, tenant, namespace, key, revision, kind, expires_at, first_at, expects, traceparent = found
    return OutboxRow(
        shard,
        Pos(at, tie),
        ChangeEvent.stored(
            id=uuid.UUID(bytes=event),
            tenant=tenant,
            namespace=decoded(namespace),
            key=key,
            revision=revision,
            kind=Kind(kind),
            expires_at=expires_at,
            first_at=first_at,
            expects=None if expects is None else uuid.UUID(bytes=expects),
            traceparent=traceparent,
        ),
    )
