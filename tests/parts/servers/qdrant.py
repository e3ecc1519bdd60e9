"""A Qdrant server for tests: the address in SYNCLINE_TEST_QDRANT, a container, or the stand-in of `qdrant_rest`.

The stand-in is no Qdrant: it speaks Qdrant's REST paths over Qdrant's own engine (qdrant-edge) in a process of its own. `told` of
the server says which one it is, and so do the last lines of a test run. Faults on demand, freezing and killing are the stand-in's.
"""

import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.parts.servers.process import NoServerError, Process, containers_answer, free_ports, listens

ADDRESS = "SYNCLINE_TEST_QDRANT"
IMAGE = "qdrant/qdrant:v1.19.0"
_START = 60
"""Seconds that a server may take to listen."""
_ROOT = Path(__file__).resolve().parents[3]
TOLD: list[str] = []
"""Which servers this test run used."""


class Faults:
    """What the stand-in does wrong (qdrant_rest/faults.py says all that there is)."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_faults"

    def add(self, kind: str, path: str = "", **more: Any) -> None:
        """From now on: `faults.add("status", "points/batch", status=429, retry_after="1", probability=0.3, seed=7, count=5)`."""
        httpx.post(self._url, json={"kind": kind, "path": path, **more}).raise_for_status()

    def clear(self) -> None:
        """All is well again."""
        httpx.delete(self._url).raise_for_status()

    def fired(self) -> int:
        """How many requests were hurt by the rules in force."""
        return sum(rule["fired"] for rule in httpx.get(self._url).json()["result"])


class QdrantProcess:
    """The stand-in. What it stored survives `kill` and `start`, in its folder."""

    def __init__(self, folder: Path) -> None:
        (self._port,) = free_ports(1)
        self._folder = folder
        self._process: Process | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.faults = Faults(self.url)

    def start(self) -> None:
        """Begin, or begin again with all that was stored."""
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "tests.parts.servers.qdrant_rest", str(self._port), str(data)]
        self._process = Process(self._folder, command, environment={"PYTHONPATH": str(_ROOT)})
        self._process.wait_until(lambda: listens(self._port), _START)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered. Returns once every thread stands still."""
        self._running.freeze()

    def thaw(self) -> None:
        """End the freeze; a server that was killed is started."""
        if self._process is None:
            self.start()
        self._running.thaw()

    def backup(self) -> Path:
        """A copy of all that is stored, made while the server is down for a moment."""
        copy = self._folder / f"backup-{uuid.uuid4().hex}"
        self.kill()
        shutil.copytree(self._folder / "data", copy)
        self.start()
        return copy

    def restore(self, backup: Path) -> None:
        """Everything is as it was then: what was acknowledged since is lost."""
        self.kill()
        shutil.rmtree(self._folder / "data")
        shutil.copytree(backup, self._folder / "data")
        self.start()

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process


@dataclass(frozen=True)
class QdrantServer:
    """Where it listens, and what it is. `own` is the stand-in's process, where tests may hurt, freeze and kill it."""

    url: str
    told: str
    own: QdrantProcess | None = None


@contextmanager
def qdrant_server() -> Iterator[QdrantServer]:
    """The first that can be had. Raises NoServerError."""
    if given := os.environ.get(ADDRESS):
        yield QdrantServer(given if "://" in given else f"http://{given}", f"the Qdrant server at {given}")
    elif containers_answer():
        with _container() as server:
            yield server
    else:
        with stand_in() as process:
            yield QdrantServer(process.url, "the stand-in over qdrant-edge, not a Qdrant server", process)


@contextmanager
def stand_in() -> Iterator[QdrantProcess]:
    """The stand-in, whatever else there is: for faults."""
    folder = Path(tempfile.mkdtemp(prefix="syncline-qdrant-"))
    process = QdrantProcess(folder)
    try:
        process.start()
        yield process
    finally:
        process.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def qdrant() -> Iterator[QdrantServer]:
    """One server a session; each test has collections of its own."""
    try:
        with qdrant_server() as server:
            TOLD.append(f"Qdrant by URL: {server.told} ({ADDRESS}=host:port names another)")
            yield server
    except NoServerError as error:
        pytest.fail(f"no Qdrant: {error}")


@pytest.fixture
def own_qdrant() -> Iterator[QdrantProcess]:
    """A stand-in that is this test's alone, to hurt, freeze and kill."""
    with stand_in() as process:
        yield process


@contextmanager
def _container() -> Iterator[QdrantServer]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - used where a container engine answers only

    container = DockerContainer(IMAGE).with_exposed_ports(6333)
    with container:
        url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(6333)}"
        _wait_until_it_answers(url)
        yield QdrantServer(url, f"a container of {IMAGE}")


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.HTTPError as error:
            if time.monotonic() > deadline:
                raise NoServerError(f"the Qdrant container did not answer within {_START} s") from error
        time.sleep(0.2)
