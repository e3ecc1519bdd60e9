"""`open_store` on a real CQL server, by its address alone."""

from pathlib import Path

import pytest

from syncline_contracts.errors import ConfigurationError, SchemaMissing
from syncline_store import open_store
from syncline_store.settings import CqlOptions, ReplicationSettings
from syncline_store.testing import WordEmbedder
from tests.parts.servers import cql
from tests.parts.servers.cassandra import PASSWORD, USER

NOTES = ("notes",)
WRONG = "hunter2"


def options(**changes: object) -> CqlOptions:
    return CqlOptions.model_validate({"user": USER, "password": PASSWORD, "replication": ReplicationSettings(factor=1), **changes})


def address(keyspace: str) -> str:
    server = cql.server()
    return f"cql://{server.host}:{server.port}/{keyspace}"


async def test_a_store_on_servers_needs_its_tables_first_and_then_works_as_on_a_file(tmp_path: Path) -> None:
    url, index = address("syncline_opened"), f"path:{tmp_path}/index"
    cql.drop("syncline_opened")
    try:
        with pytest.raises(SchemaMissing, match="syncline migrate"):
            await open_store(url, index=index, cql=options(), embedder=WordEmbedder())
        async with await open_store(url, index=index, cql=options(), migrate=True, embedder=WordEmbedder()) as store:
            revision = await store.tenant("acme").put(NOTES, "n1", {"text": "the cat sat on the mat"})
        async with await open_store(url, index=index, cql=options(), embedder=WordEmbedder()) as store:
            (hit,) = await store.tenant("acme").search(NOTES, query="the cat", limit=1)
            assert (hit.document.key, hit.document.revision) == ("n1", revision)
    finally:
        cql.drop("syncline_opened")


async def test_a_wrong_password_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="password") as told:
        await open_store(address("syncline_opened"), index=f"path:{tmp_path}/index", cql=options(password=WRONG))
    assert WRONG not in str(told.value)
