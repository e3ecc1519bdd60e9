"""The dead letters' table: one open letter a document."""

import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from syncline_contracts.dead_letter import REASONS, Closed, DeadLetter, Reason
from syncline_contracts.identity import decode_namespace, encode_namespace
from syncline_contracts.revision import Clock
from syncline_store.engines.cursor import decode_cursor, encode_cursor, foreign_cursor
from syncline_store.engines.protocol import Page
from syncline_store.engines.sqlite.connection import Connections, transaction

_COLUMNS = (
    "id, document, tenant, namespace, key, revision, payload, headers, source, error, message, attempts, first_at, last_at, "
    "closed, closed_at, note"
)

# A further letter of the same document takes the open one's place; the same letter twice is one.
_ADD = f"""
INSERT INTO dead_letters ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING
ON CONFLICT (document) WHERE closed IS NULL AND document IS NOT NULL DO UPDATE SET
    revision = excluded.revision, payload = excluded.payload, headers = excluded.headers, source = excluded.source,
    error = excluded.error, message = excluded.message, attempts = attempts + excluded.attempts, last_at = excluded.last_at
RETURNING id"""  # noqa: S608 - names of columns only
_GET = f"SELECT {_COLUMNS} FROM dead_letters WHERE id = ?"  # noqa: S608 - names of columns only
_SCAN = f"SELECT {_COLUMNS} FROM dead_letters WHERE (first_at, id) > (?, ?) ORDER BY first_at, id LIMIT ?"  # noqa: S608 - names of columns only
_SCAN_OPEN = _SCAN.replace("WHERE", "WHERE closed IS NULL AND")
_ANY_OPEN = "SELECT 1 FROM dead_letters WHERE closed IS NULL AND (first_at, id) > (?, ?) LIMIT 1"
_CLOSE = "UPDATE dead_letters SET closed = ?, closed_at = ?, note = ? WHERE id = ? AND closed IS NULL"
_RESOLVE = """
UPDATE dead_letters SET closed = ?, closed_at = ?
WHERE document = ? AND closed IS NULL AND coalesce(revision, 0) <= ?"""
_GIVEN_UP = "SELECT 1 FROM dead_letters WHERE document = ? AND closed = 'discarded' AND coalesce(revision, 0) >= ?"
_REMEMBER = "INSERT OR REPLACE INTO dead_letters_reasons (letter, at, revision, error, message, attempts) VALUES (?, ?, ?, ?, ?, ?)"
_FORGET = """
DELETE FROM dead_letters_reasons
WHERE letter = :letter AND at NOT IN (SELECT at FROM dead_letters_reasons WHERE letter = :letter ORDER BY at DESC LIMIT :kept)"""
_REASONS = "SELECT at, revision, error, message, attempts FROM dead_letters_reasons WHERE letter = ? ORDER BY at DESC LIMIT ?"

_FIRST = (-(1 << 63), b"")


class SqliteDeadLetters:
    """Letters, open and closed, in one table."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        """Durable on return."""
        if letters:
            await self._connections.writing.run(lambda connection: _add(connection, letters))

    async def get(self, letter: uuid.UUID) -> DeadLetter | None:
        """One letter, closed ones included."""
        found = await self._connections.reading.run(lambda connection: connection.execute(_GET, (letter.bytes,)).fetchone())
        return None if found is None else _letter(found)

    async def scan(self, after: str | None, limit: int, *, closed: bool = False) -> Page[DeadLetter]:
        """A page, oldest first. Raises InvalidQuery for a cursor that is not this listing's."""
        first_at, letter = _FIRST if after is None else _position(after)
        statement, bounds = _SCAN if closed else _SCAN_OPEN, (first_at, letter, limit)
        found = await self._connections.reading.run(lambda connection: connection.execute(statement, bounds).fetchall())
        letters = [_letter(columns) for columns in found]
        more = encode_cursor(letters[-1].first_at, letters[-1].id.hex) if limit and len(letters) == limit else None
        return Page(letters, more)

    async def close(self, letters: Sequence[uuid.UUID], why: Closed, note: str | None = None) -> int:
        """Close those that are open; how many were."""
        now = self._clock.now()
        return await self._many(_CLOSE, [(why.value, now, note, letter.bytes) for letter in letters])

    async def resolve(self, versions: Mapping[uuid.UUID, int]) -> int:
        """Close what a document's revision made good. Where no letter is open at all, the writer is left in peace."""
        if not versions or not await self._connections.reading.run(lambda connection: connection.execute(_ANY_OPEN, _FIRST).fetchone()):
            return 0
        now = self._clock.now()
        rows = [(Closed.RESOLVED.value, now, document.bytes, revision) for document, revision in versions.items()]
        return await self._many(_RESOLVE, rows)

    async def reasons(self, letter: uuid.UUID) -> Sequence[Reason]:
        """Newest first."""
        bounds = (letter.bytes, REASONS)
        found = await self._connections.reading.run(lambda connection: connection.execute(_REASONS, bounds).fetchall())
        return [
            Reason(at=at, revision=revision, error=error, message=message, attempts=tries) for at, revision, error, message, tries in found
        ]

    async def _many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
        return await self._connections.writing.run(lambda connection: _run(connection, statement, rows)) if rows else 0


def _add(connection: sqlite3.Connection, letters: Sequence[DeadLetter]) -> None:
    with transaction(connection):
        for letter in letters:
            if letter.document is not None and connection.execute(_GIVEN_UP, (letter.document.bytes, letter.revision or 0)).fetchone():
                continue
            kept = connection.execute(_ADD, _columns(letter)).fetchone()
            if kept is not None:  # not a letter that was there already
                reason = letter.reason
                connection.execute(_REMEMBER, (kept[0], reason.at, reason.revision, reason.error, reason.message, reason.attempts))
                connection.execute(_FORGET, {"letter": kept[0], "kept": REASONS})


def _run(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    with transaction(connection):
        return connection.executemany(statement, rows).rowcount


def _position(cursor: str) -> tuple[int, bytes]:
    first_at, letter = decode_cursor(cursor, int, str)
    try:
        return first_at, bytes.fromhex(letter)
    except ValueError:
        raise foreign_cursor(cursor) from None


def _columns(letter: DeadLetter) -> tuple[Any, ...]:
    return (
        letter.id.bytes,
        None if letter.document is None else letter.document.bytes,
        letter.tenant,
        None if letter.namespace is None else encode_namespace(letter.namespace),
        letter.key,
        letter.revision,
        letter.payload,
        json.dumps(letter.headers),
        letter.source,
        letter.error,
        letter.message,
        letter.attempts,
        letter.first_at,
        letter.last_at,
        None if letter.closed is None else letter.closed.value,
        letter.closed_at,
        letter.note,
    )


def _letter(columns: tuple[Any, ...]) -> DeadLetter:
    names = [name.strip() for name in _COLUMNS.split(",")]
    found = dict(zip(names, columns, strict=True))
    found["id"] = uuid.UUID(bytes=found["id"])
    found["document"] = None if found["document"] is None else uuid.UUID(bytes=found["document"])
    found["namespace"] = None if found["namespace"] is None else decode_namespace(found["namespace"])
    found["headers"] = json.loads(found["headers"])
    return DeadLetter.model_validate(found)
