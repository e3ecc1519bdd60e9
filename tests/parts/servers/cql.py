"""The CQL server that a test session shares, and engines on it."""

import atexit
import os
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.revision import Clock
from syncline_store.engines.cql import CqlEngine, CqlSettings, open_cql
from syncline_store.engines.cql.connecting import connect
from syncline_store.settings.cql import ReplicationSettings
from tests.parts.servers.cassandra import PASSWORD, USER, CqlServer, cql_server
from tests.parts.servers.maven import NoServerError

_KEYSPACE = "syncline_contract"
_FIXED = ("schema_migrations", "schema_lock", "properties")


def server() -> CqlServer:
    """Started for the first test that asks, stopped when pytest ends. Skips where there is none; with CI=true that is a failure."""
    found = _start()
    if isinstance(found, CqlServer):
        return found
    told = f"no CQL server: {found}; give SYNCLINE_TEST_CQL=host:port, or install java and mvn"
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)


@cache
def _start() -> CqlServer | str:
    stack = ExitStack()
    try:
        started = stack.enter_context(cql_server())
    except NoServerError as error:
        return str(error)
    atexit.register(stack.close)
    return started


def settings(keyspace: str = _KEYSPACE, **changes: object) -> CqlSettings:
    at = server()
    return CqlSettings.model_validate(
        {
            "hosts": (at.host,),
            "port": at.port,
            "keyspace": keyspace,
            "replication": ReplicationSettings(factor=1),
            "user": USER,
            "password": PASSWORD,
            **changes,
        }
    )


_emptied: set[Path] = set()


async def open_engine(folder: Path, clock: Clock) -> CqlEngine:
    """A migrated engine. The keyspace is emptied for each new folder: that takes a fifth of making another."""
    engine = await open_cql(settings(), clock=clock)
    await engine.migrate()
    if folder not in _emptied:
        empty(_KEYSPACE)
        _emptied.add(folder)
    return engine


@cache
def admin() -> Any:
    """A session of the driver itself."""
    session = connect(settings())
    atexit.register(session.cluster.shutdown)
    return session


def empty(keyspace: str) -> None:
    """Remove every row but what says how the keyspace was made."""
    tables = admin().execute("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", [keyspace])
    for (table,) in tables:
        if table not in _FIXED:
            admin().execute(f"TRUNCATE {keyspace}.{table}", timeout=60)


def drop(keyspace: str) -> None:
    admin().execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=60)
