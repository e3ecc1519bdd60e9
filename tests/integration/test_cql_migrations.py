"""Migrating a keyspace: once, also when two do it; never over a newer one."""

import asyncio

import pytest

from syncline_contracts.errors import ConfigurationError, SchemaTooNew
from syncline_store.engines.cql import migrations
from syncline_store.engines.cql.dialects import CASSANDRA, SCYLLADB
from syncline_store.engines.protocol import Stored
from tests.integration.cql import Opening, ask, keyspace, opening
from tests.parts.writes import ref, write

__all__ = ["keyspace", "opening"]


def applied(keyspace: str) -> list[int]:
    return sorted(version for (version,) in ask(f"SELECT version FROM {keyspace}.schema_migrations"))


ALL = [migration.version for migration in migrations.migrations()]


async def test_two_that_migrate_at_once(keyspace: str, opening: Opening) -> None:
    one, other = await opening(migrated=False), await opening(migrated=False)
    await asyncio.gather(one.migrate(), other.migrate())
    assert applied(keyspace) == ALL
    for number, engine in enumerate((one, other)):
        assert await engine.documents.write([write(ref(f"n{number}"), 64)]) == [Stored()]
    assert ask(f"SELECT * FROM {keyspace}.schema_lock") == []


async def test_a_migration_that_broke_off_is_begun_anew(keyspace: str, opening: Opening) -> None:
    engine = await opening()
    await engine.documents.write([write(ref(), 64)])
    ask(f"TRUNCATE {keyspace}.schema_migrations")
    ask(f"DROP TABLE {keyspace}.leases")
    await engine.migrate()
    assert applied(keyspace) == ALL
    assert (await engine.documents.read([ref()]))[0] is not None
    assert ask(f"SELECT * FROM {keyspace}.leases") == []


async def test_the_lock_of_a_process_that_died_ends_by_itself(keyspace: str, opening: Opening) -> None:
    await opening()
    ask(f"TRUNCATE {keyspace}.schema_migrations")
    ask(f"INSERT INTO {keyspace}.schema_lock (id, owner) VALUES (0, 'dead') IF NOT EXISTS USING TTL 2")
    engine = await opening(migrated=False)
    async with asyncio.timeout(20):
        await engine.migrate()
    assert applied(keyspace) == ALL


async def test_a_newer_schema_is_refused(keyspace: str, opening: Opening) -> None:
    engine = await opening()
    ask(f"INSERT INTO {keyspace}.schema_migrations (version, name, checksum) VALUES (999, '0999_later', 'x')")
    with pytest.raises(SchemaTooNew, match="upgrade this process"):
        await engine.migrate()
    with pytest.raises(SchemaTooNew, match=keyspace):
        await opening(migrated=False)


async def test_a_migration_of_another_text_is_refused(keyspace: str, opening: Opening) -> None:
    await opening()
    ask(f"UPDATE {keyspace}.schema_migrations SET checksum = 'other' WHERE version = 1")
    with pytest.raises(ConfigurationError, match="0001_first was applied with another text"):
        await opening()


async def test_what_was_not_migrated_says_how(opening: Opening) -> None:
    engine = await opening(migrated=False)
    with pytest.raises(ConfigurationError, match="syncline migrate"):
        await engine.documents.write([write(ref(), 64)])
    with pytest.raises(ConfigurationError, match="syncline migrate"):
        await engine.documents.read([ref()])


async def test_the_keyspace_is_replicated_as_the_settings_say(keyspace: str, opening: Opening) -> None:
    await opening()
    ((replication,),) = ask("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s", keyspace)
    ((local_dc,),) = ask("SELECT data_center FROM system.local")
    assert replication["class"].endswith("NetworkTopologyStrategy")
    assert replication[local_dc] == "1"


async def test_the_number_of_shards_is_fixed_by_the_first(opening: Opening) -> None:
    assert (await opening(shards=7)).outbox.shards == 7
    later = await opening(migrated=False, shards=2)
    assert (later.outbox.shards, len(await later.leases.marks())) == (7, 7)


async def test_the_outbox_ends_by_itself(keyspace: str, opening: Opening) -> None:
    await opening(outbox_life=7_200)
    ((life, grace, compaction),) = ask(
        "SELECT default_time_to_live, gc_grace_seconds, compaction FROM system_schema.tables WHERE keyspace_name = %s AND table_name = 'outbox'",
        keyspace,
    )
    assert (life, grace) == (7_200, 10_800)
    assert compaction["class"].endswith("TimeWindowCompactionStrategy")


@pytest.mark.parametrize(("dialect", "count"), [(SCYLLADB, 4), (CASSANDRA, 0)])
def test_servers_differ_in_what_the_dialect_says_alone(dialect: migrations.Dialect, count: int) -> None:
    statements = [text for each in migrations.migrations() for text in migrations.statements(each, dialect, keyspace="k", outbox_life="60")]
    assert sum("tombstone_gc" in text for text in statements) == count
    assert all(text.startswith("CREATE TABLE IF NOT EXISTS k.") for text in statements), "each can be run again"
    assert not any("$" in text or "--" in text for text in statements)
