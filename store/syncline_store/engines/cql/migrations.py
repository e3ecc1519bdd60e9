"""The schema as numbered files, each applied once, its checksum kept; who applies them holds a lock that ends by itself.

A schema change knows no transaction: each statement of a migration can be run again, and what broke off is begun anew.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from string import Template

from syncline_contracts.errors import StorageUnavailable
from syncline_store.engines.cql.dialects import Dialect
from syncline_store.engines.cql.session import CqlSession, Statement
from syncline_store.engines.migration import Migration, lacking, shipped

_KEYSPACE = "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}"
_MADE = "CREATE TABLE IF NOT EXISTS {keyspace}.schema_migrations (version int PRIMARY KEY, name text, checksum text, applied_at bigint)"
_LOCKS = "CREATE TABLE IF NOT EXISTS {keyspace}.schema_lock (id int PRIMARY KEY, owner text)"
_TABLES = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'"
_KEYSPACES = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'"

_APPLIED = Statement("SELECT version, checksum FROM {keyspace}.schema_migrations")
_RECORD = Statement("INSERT INTO {keyspace}.schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?) IF NOT EXISTS")
_LOCK = Statement("INSERT INTO {keyspace}.schema_lock (id, owner) VALUES (0, ?) IF NOT EXISTS USING TTL ?")
_UNLOCK = Statement("DELETE FROM {keyspace}.schema_lock WHERE id = 0 IF owner = ?")

LOCK_LIFE = 120
"""Seconds after which the lock of a process that died is free."""
_PAUSE = 0.1


def migrations() -> tuple[Migration, ...]:
    """All that this version ships, in order."""
    return shipped("syncline_store.engines.cql", ".cql")


async def migrate(session: CqlSession, now: int) -> None:
    """Apply what is missing. Two at once: the second waits for the lock, then finds the work done. Raises SchemaTooNew."""
    if not await missing(session):
        return
    dialect = await session.dialect()
    await _prepare_ground(session)
    async with _locked(session):
        for migration in await missing(session):
            for statement in statements(
                migration, dialect, keyspace=session.settings.keyspace, outbox_life=str(session.settings.outbox_life)
            ):
                await session.define(statement)
            await session.run(_RECORD, migration.version, migration.name, migration.checksum, now)


async def missing(session: CqlSession) -> list[Migration]:
    """What is still to be applied. Raises SchemaTooNew, and ConfigurationError for a migration that was applied with another text."""
    tables = {name for (name,) in await session.ask(_TABLES.format(keyspace=session.settings.keyspace))}
    applied = dict(await session.run(_APPLIED)) if "schema_migrations" in tables else {}
    return lacking(migrations(), applied, session.settings.name, "name another keyspace")


async def _prepare_ground(session: CqlSession) -> None:
    """The keyspace, where there is none, and the two tables that migrating itself needs."""
    settings = session.settings
    if not await session.ask(_KEYSPACES.format(keyspace=settings.keyspace)):
        await session.define(_KEYSPACE.format(keyspace=settings.keyspace, replication=settings.replication.in_cql(session.local_dc)))
    for text in (_MADE, _LOCKS):
        await session.define(text.format(keyspace=settings.keyspace))


@asynccontextmanager
async def _locked(session: CqlSession) -> AsyncIterator[None]:
    owner = secrets.token_hex(8)
    deadline = time.monotonic() + 2 * LOCK_LIFE
    while not await _is_ours(session, owner):
        if time.monotonic() > deadline:
            raise StorageUnavailable(f"{session.settings.name}: another process has been migrating it for minutes: look what it is doing")
        await asyncio.sleep(_PAUSE)
    try:
        yield
    finally:
        await session.run(_UNLOCK, owner)


async def _is_ours(session: CqlSession, owner: str) -> bool:
    """Applied, or applied by an attempt whose answer was lost."""
    ((applied, *row),) = await session.run(_LOCK, owner, LOCK_LIFE)
    return bool(applied) or owner in row


def statements(migration: Migration, dialect: Dialect, **values: str) -> list[str]:
    """What one server is to run."""
    lines = [line.partition("--")[0].rstrip() for line in migration.text.splitlines()]
    filled = Template("\n".join(lines)).substitute(values, tombstones_by_time=dialect.tombstones_by_time)
    return [statement.strip() for statement in filled.split(";") if statement.strip()]
