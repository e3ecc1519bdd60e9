"""The schema as numbered files, each applied once, in its own transaction, its checksum kept."""

import sqlite3

from syncline_store.engines.migration import Migration, lacking, shipped
from syncline_store.engines.sqlite.connection import transaction

_MADE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    checksum   TEXT    NOT NULL,
    applied_at INTEGER NOT NULL
)"""
_APPLIED = "SELECT version, checksum FROM schema_migrations"
_RECORD = "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)"
_EXISTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'"


def migrations() -> tuple[Migration, ...]:
    """All that this version ships, in order."""
    return shipped("syncline_store.engines.sqlite", ".sql")


def migrate(connection: sqlite3.Connection, path: str, now: int) -> None:
    """Apply what is missing. Two processes at once: the second waits for the lock, then finds the work done."""
    if not _missing(connection, path):
        return
    with transaction(connection):
        connection.execute(_MADE)
        for migration in _missing(connection, path):
            for statement in _statements(migration.text):
                connection.execute(statement)
            connection.execute(_RECORD, (migration.version, migration.name, migration.checksum, now))


def _missing(connection: sqlite3.Connection, path: str) -> list[Migration]:
    applied = dict(connection.execute(_APPLIED)) if connection.execute(_EXISTS).fetchone() else {}
    return lacking(migrations(), applied, path, "open another file")


def _statements(text: str) -> list[str]:
    """Cut a migration at its semicolons: `executescript` would commit the transaction that holds the lock."""
    statements, pending = [], ""
    for line in text.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
