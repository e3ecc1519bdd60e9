"""`syncline relay` and `syncline worker` as far as they come without servers: what is told, and how they end."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.parts.consuming import until
from tests.parts.servers.process import Process, free_ports

SYNCLINE = (sys.executable, "-m", "syncline_sync_worker.cli.main")
BOTH = ("relay", "worker")
PLANTED = "pl4nted-p4ss"
PATIENCE = 60.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A Kafka where nobody listens."""
    nobody, port = free_ports(2)
    return {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "SYNCLINE_STORE": f"sqlite:///{tmp_path / 'documents.db'}",
        "SYNCLINE_INDEX": f"path:{tmp_path / 'index'}",
        "SYNCLINE_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{nobody}",
        "SYNCLINE_KAFKA__SECURITY__PROTOCOL": "SASL_PLAINTEXT",
        "SYNCLINE_KAFKA__SECURITY__USERNAME": "syncline",
        "SYNCLINE_KAFKA__SECURITY__PASSWORD": PLANTED,
        "SYNCLINE_HTTP__PORT": str(port),
        "SYNCLINE_LOG__FORM": "json",
        "SYNCLINE_LOG__LEVEL": "debug",
    }


@pytest.fixture(params=BOTH)
def waiting(request: pytest.FixtureRequest, tmp_path: Path, environment: dict[str, str]) -> Iterator[Process]:
    """A process that has no Kafka to begin with."""
    process = Process(tmp_path / "process", [*SYNCLINE, request.param], environment=environment)
    yield process
    process.stop()


def reasons(environment: dict[str, str]) -> list[str]:
    try:
        answer = httpx.get(f"http://127.0.0.1:{environment['SYNCLINE_HTTP__PORT']}/health/ready", timeout=5)
    except httpx.HTTPError:
        return []
    assert answer.status_code == 503
    found: list[str] = answer.json()["reasons"]
    return found


async def test_it_says_what_it_waits_for_and_ends_at_once_when_told(waiting: Process, environment: dict[str, str]) -> None:
    server = environment["SYNCLINE_KAFKA__BOOTSTRAP_SERVERS"]
    await until(lambda: any(f"waiting for Kafka at {server}" in reason for reason in reasons(environment)), PATIENCE)
    assert "starting" in reasons(environment)
    os.kill(waiting.pid, signal.SIGTERM)
    await until(lambda: not waiting.running, PATIENCE)
    assert waiting.exit_code == 0
    lines = [json.loads(line) for line in waiting.log.read_text(encoding="utf-8").splitlines()]
    assert [line["event"] for line in lines if line["event"] in ("started", "ended")] == ["started", "ended"]
    assert f"Kafka at {server}" in [line.get("part") for line in lines]
    assert PLANTED not in waiting.log.read_text(encoding="utf-8")


def ended(name: str, environment: dict[str, str], **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SYNCLINE, *name.split()],
        env={**os.environ, **environment, **changes},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("name", BOTH)
def test_without_kafka_it_ends_with_the_remedy_and_nothing_but_json(name: str, environment: dict[str, str]) -> None:
    without = {name: value for name, value in environment.items() if "KAFKA" not in name}
    done = ended(name, without)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert json.loads(line)["kind"] == "ConfigurationError"
    assert "syncline run" in json.loads(line)["error"]
    assert done.stdout == ""


def test_a_watch_of_a_local_index_ends_with_the_remedy_and_nothing_but_json(environment: dict[str, str]) -> None:
    done = ended("reconcile watch", environment)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "syncline reconcile check" in json.loads(line)["error"]
    assert done.stdout == ""


def test_a_port_in_use_ends_it_before_anything_is_opened(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = ended("worker", environment, SYNCLINE_HTTP__PORT=str(taken.getsockname()[1]), SYNCLINE_LOG__FORM="console")
    assert done.returncode == 2
    assert "http.port" in done.stderr
    assert not (tmp_path / "documents.db").exists()
