"""More than one process on one file, and the schema that they find there."""

import asyncio
import importlib
import multiprocessing
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from syncline_contracts.errors import ConfigurationError, SchemaTooNew
from syncline_contracts.revision import Clock
from syncline_store.engines.migration import Migration
from syncline_store.engines.protocol import Pos
from syncline_store.engines.sqlite import migrations, open_sqlite
from tests.parts.writes import ref, write

PROCESSES = 3
DOCUMENTS = 60


def together(path: Path, work: Callable[[str, int], None]) -> None:
    """Run it in several processes at once; each must end well."""
    spawn = multiprocessing.get_context("fork")
    processes = [spawn.Process(target=work, args=(str(path), number)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * PROCESSES


def put_many(path: str, number: int) -> None:
    async def main() -> None:
        engine = await open_sqlite(path, clock=Clock())
        for n in range(DOCUMENTS):
            await engine.documents.write(
                [write(ref(f"n{n}"), 64 * (PROCESSES * n + number), {"by": number}), write(ref(f"{number}-{n}"), 64)]
            )
        await engine.aclose()

    asyncio.run(main())


def open_only(path: str, number: int) -> None:
    async def main() -> None:
        await (await open_sqlite(path, clock=Clock())).aclose()

    asyncio.run(main())


def test_processes_share_a_file_from_its_first_moment_on(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    together(path, put_many)
    asyncio.run(check(path))


async def check(path: Path) -> None:
    engine = await open_sqlite(str(path), clock=Clock())
    rows = await engine.documents.read([ref(f"n{n}") for n in range(DOCUMENTS)])
    assert [row and row.revision for row in rows] == [64 * (PROCESSES * n + PROCESSES - 1) for n in range(DOCUMENTS)]
    events = [row.pos for shard in range(4) for row in await engine.outbox.read(shard, Pos(0), Pos(1 << 62), 10_000)]
    assert len(events) == 2 * PROCESSES * DOCUMENTS
    found = [len(heads) async for heads in engine.documents.heads(0, 4095)]
    assert sum(found) == DOCUMENTS * (PROCESSES + 1)
    await engine.aclose()


@pytest.mark.parametrize("round_", range(3))
def test_processes_migrate_at_once(tmp_path: Path, round_: int) -> None:
    path = tmp_path / "documents.db"
    together(path, open_only)
    with sqlite3.connect(path) as connection:
        versions = [version for (version,) in connection.execute("SELECT version FROM schema_migrations")]
    connection.close()
    assert versions == [migration.version for migration in migrations.migrations()]


async def test_a_file_of_a_newer_syncline_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    await (await open_sqlite(str(path), clock=Clock())).aclose()
    change(path, "INSERT INTO schema_migrations VALUES (99, '0099_future', 'x', 0)")
    with pytest.raises(SchemaTooNew, match=r"schema 99 by a newer Syncline.*upgrade this process"):
        await open_sqlite(str(path), clock=Clock())


async def test_a_migration_that_was_edited_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    await (await open_sqlite(str(path), clock=Clock())).aclose()
    change(path, "UPDATE schema_migrations SET checksum = 'other'")
    with pytest.raises(ConfigurationError, match="0001_first was applied with another text"):
        await open_sqlite(str(path), clock=Clock())


async def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "documents.db"
    await (await open_sqlite(str(path), clock=Clock())).aclose()
    shipped = migrations.migrations()
    version = len(shipped) + 1
    broken = Migration(version, "broken", "CREATE TABLE half (a);\nCREATE TABLE half (a);\n")
    mended = Migration(version, "mended", "-- one; with a semicolon in its comment\nCREATE TABLE half (a);\nCREATE INDEX h ON half (a);\n")
    monkeypatch.setattr(migrations, "migrations", lambda: (*shipped, broken))
    with pytest.raises(Exception, match="half"):
        await open_sqlite(str(path), clock=Clock())
    monkeypatch.setattr(migrations, "migrations", lambda: (*shipped, mended))
    await (await open_sqlite(str(path), clock=Clock())).aclose()
    change(path, "INSERT INTO half VALUES (1)")


async def test_the_number_of_shards_is_the_files(tmp_path: Path) -> None:
    path = str(tmp_path / "documents.db")
    for wanted in (7, 2):
        engine = await open_sqlite(path, clock=Clock(), shards=wanted)
        assert engine.outbox.shards == 7
        await engine.aclose()


async def test_a_path_with_odd_characters(tmp_path: Path) -> None:
    engine = await open_sqlite(str(tmp_path / "a b%20?x=#y ü.db"), clock=Clock())
    await engine.documents.write([write(ref(), 64)])
    assert (await engine.documents.read([ref()]))[0] is not None
    await engine.aclose()


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


# ------------------------------------------------------------------ every statement finds its index

WHOLE = ("leases._MARKS", "migrations._APPLIED")
"""These read a whole table, on purpose: it has a handful of rows."""


GROUPED = {"namespaces._DECLARING"}
"""Gathers as many rows as there are different declarations."""


async def test_no_statement_reads_a_whole_table(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    await (await open_sqlite(str(path), clock=Clock())).aclose()
    connection = sqlite3.connect(path)
    statements = statements_of_the_engine()
    assert len(statements) > 15
    for name, statement in statements.items():
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {re.sub(r':[a-z_]+|[?]', 'NULL', statement)}")]
        assert name in GROUPED or not [step for step in plan if "TEMP B-TREE" in step], (name, plan)
        assert name in WHOLE or not [step for step in plan if step.startswith("SCAN")], (name, plan)
    connection.close()


def statements_of_the_engine() -> dict[str, str]:
    found = {}
    for module in ("documents", "namespaces", "outbox", "leases", "dead_letters", "audit", "heads", "expiry", "engine"):
        for name, value in vars(importlib.import_module(f"syncline_store.engines.sqlite.{module}")).items():
            if isinstance(value, str) and value.split()[:1] and value.split()[0] in ("SELECT", "UPDATE", "DELETE"):
                found[f"{module}.{name}"] = value
    return found
