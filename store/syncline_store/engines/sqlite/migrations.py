"""The schema as numbered files, each applied once, in its own transaction, its checksum kept."""

import hashlib
import sqlite3
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from syncline_contracts.errors import ConfigurationError, SchemaTooNew
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


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the folder schema/."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Tells an edited migration from the one that was applied."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """All that this version ships, in order."""
    found = (entry for entry in files("syncline_store.engines.sqlite").joinpath("schema").iterdir() if entry.name.endswith(".sql"))
    return tuple(sorted((_migration(entry.name, entry.read_text()) for entry in found), key=lambda migration: migration.version))


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
    known = {migration.version: migration for migration in migrations()}
    applied = dict(connection.execute(_APPLIED)) if connection.execute(_EXISTS).fetchone() else {}
    for version, checksum in applied.items():
        if version not in known:
            raise SchemaTooNew(
                f"{path} was migrated to schema {version} by a newer Syncline (this one knows {max(known)}): "
                "upgrade this process, or open another file"
            )
        if known[version].checksum != checksum:
            raise ConfigurationError(
                f"{path}: migration {known[version].name} was applied with another text than this Syncline ships: "
                "run the Syncline version that made the file"
            )
    return [migration for version, migration in known.items() if version not in applied]


def _migration(filename: str, text: str) -> Migration:
    number, _, _ = filename.partition("_")
    return Migration(int(number), filename.removesuffix(".sql"), text)


def _statements(text: str) -> list[str]:
    """Cut a migration at its semicolons: `executescript` would commit the transaction that holds the lock."""
    statements, pending = [], ""
    for line in text.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
