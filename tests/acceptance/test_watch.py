"""The watch as a process, with an index by URL: it finds drift, measures it, and ends at SIGTERM."""

import re
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.acceptance.conftest import Cli
from tests.parts.servers.qdrant import QdrantServer, qdrant_server

DEADLINE = 30.0
FOUND = 'syncline_reconcile_drift{kind="missing"} 1.0'


@pytest.fixture
def server() -> Iterator[QdrantServer]:
    with qdrant_server() as started:
        yield started


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_watch_finds_drift_tells_its_metrics_and_drains(cli: Cli, server: QdrantServer) -> None:
    place = ("--store", f"sqlite:///{cli.folder}/documents.db", "--index", server.url, "--set", f"collection=watch-{uuid.uuid4().hex}")
    assert cli("put", "animals", "whale", '{"text": "the largest"}', *place).code == 0
    with sqlite3.connect(cli.folder / "documents.db") as connection:
        connection.execute("DELETE FROM outbox")  # expired, say, while no relay ran
    connection.close()
    given = {"http.port": 0, "log.form": "json", "watch.interval": 0.2, "reconcile.settle": 0, "reconcile.delay": 0}
    process = cli.start("reconcile", "watch", *place, *(f"--set={name}={value}" for name, value in given.items()))
    assert process.stderr is not None
    try:
        address = next(found[1] for line in process.stderr if (found := re.search(r'"http": ?"(http://[^"]+)"', line)))
        wait_for(lambda: FOUND in httpx.get(f"{address}/metrics", timeout=5).text)
        wait_for(lambda: httpx.get(f"{address}/health/ready", timeout=5).status_code == 200)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    kept = cli.ok("reconcile", "report", "list", "--store", place[1])
    assert {report["verdict"] for report in kept["reports"]} == {"drift"}


def test_its_canary_measures_from_put_to_search_and_says_when_nobody_indexes(cli: Cli, server: QdrantServer) -> None:
    """The whole way over three processes' doors: the watch puts, relay and handler index, the watch searches."""
    place = ("--store", f"sqlite:///{cli.folder}/documents.db", "--index", server.url, "--set", f"collection=canary-{uuid.uuid4().hex}")
    assert cli("put", "animals", "whale", '{"text": "the largest"}', *place).code == 0
    given = {"http.port": 0, "log.form": "json", "watch.canary.interval": 0.2, "watch.canary.slow": 2, "watch.canary.lost": 3}
    watch = cli.start("reconcile", "watch", *place, *(f"--set={name}={value}" for name, value in given.items()))
    assert watch.stderr is not None
    address = next(found[1] for line in watch.stderr if (found := re.search(r'"http": ?"(http://[^"]+)"', line)))
    run = None
    try:
        wait_for(lambda: measured(address, 'syncline_canary_failures_total{why="not_searchable"}') >= 1)
        run = cli.start("run", *place, "--set=http.port=0")
        wait_for(lambda: measured(address, "syncline_canary_seconds_count") >= 2)
        assert 0 < measured(address, "syncline_canary_last_seconds") < 3
    finally:
        for process in filter(None, (watch, run)):
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=DEADLINE)
            finally:
                process.kill()
    assert cli.ok("search", "the canary's probe", *place)["hits"][0]["key"] == "whale", "and no tenant sees it"


def measured(address: str, metric: str) -> float:
    """A metric's value, 0 until it is there."""
    lines = httpx.get(f"{address}/metrics", timeout=5).text.splitlines()
    return next((float(line.removeprefix(metric)) for line in lines if line.startswith(f"{metric} ")), 0.0)
