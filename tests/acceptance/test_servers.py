"""The commands on a CQL keyspace and an index by URL: they write and read there, and leave indexing to `syncline run`."""

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Cli, documented_keys
from tests.parts.servers import cql
from tests.parts.servers.cassandra import PASSWORD, USER
from tests.parts.servers.qdrant import QdrantServer


class Servers:
    """The command line with the environment of the direct mode."""

    def __init__(self, cli: Cli, environment: dict[str, str]) -> None:
        self.cli = cli
        self.environment = environment

    def ok(self, *args: str) -> dict[str, Any]:
        ran = self.cli(*args, "--json", env=self.environment)
        assert ran.code == 0, ran.err or ran.out
        assert set(ran.json) == documented_keys(*args)
        return ran.json


@pytest.fixture
def servers(qdrant: QdrantServer, tmp_path: Path) -> Iterator[Servers]:
    server, name = cql.server(), f"t{uuid.uuid4().hex[:12]}"
    environment = {
        "SYNCLINE_STORE": f"cql://{server.host}:{server.port}/{name}",
        "SYNCLINE_CQL__USER": USER,
        "SYNCLINE_CQL__PASSWORD": PASSWORD,
        "SYNCLINE_CQL__REPLICATION__FACTOR": "1",
        "SYNCLINE_CQL__OUTBOX_LATENESS": "1",
        "SYNCLINE_INDEX": qdrant.url,
        "SYNCLINE_COLLECTION": name,
    }
    yield Servers(Cli(tmp_path), environment)
    cql.drop(name)


def test_what_is_not_migrated_is_told_with_the_command(servers: Servers) -> None:
    ran = servers.cli("get", "a", "b", "--json", env=servers.environment)
    assert (ran.code, ran.json["error"]["kind"]) == (2, "SchemaMissing")
    assert "syncline migrate" in ran.err


@pytest.mark.timeout(180)
def test_commands_work_on_servers_and_run_indexes(servers: Servers) -> None:
    assert [step["part"] for step in servers.ok("migrate")["steps"]] == ["storage", "index"]
    put = servers.ok("put", "notes", "n1", '{"text": "The kettle is on the stove."}')
    assert put["indexed"] is False
    assert servers.ok("get", "notes", "n1")["revision"] == put["revision"]
    status = servers.ok("status")
    assert (status["documents"], status["points"], status["backlog"], status["unhandled"]) == (1, 0, 1, None)
    assert status["store"] == servers.environment["SYNCLINE_STORE"]
    assert "runs beside the servers" in servers.cli("put", "notes", "n1", '{"text": "It boils."}', env=servers.environment).out

    process = servers.cli.start("run", "--json", env=servers.environment)
    try:
        assert process.stderr is not None
        assert any("brought in step" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0

    assert [hit["key"] for hit in servers.ok("search", "boiling water")["hits"]] == ["n1"]
    assert servers.ok("dead-letters", "list")["letters"] == []
    found = servers.ok("reconcile", "check", "--settle", "0")
    assert (found["verdict"], found["documents"], found["points"]) == ("in_step", 1, 1)
    assert servers.ok("doctor")["levels"]["fail"] == 0
