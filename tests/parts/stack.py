"""The distributed mode on this machine: servers, `syncline` processes around them, and how each is begun, hurt and ended."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.parts.servers import forked
from tests.parts.servers.cassandra import PASSWORD, USER, CqlServer, cql_server
from tests.parts.servers.forked import Forked, ran
from tests.parts.servers.kafka import KafkaServer, kafka_server
from tests.parts.servers.process import NoServerError, Process, free_ports
from tests.parts.servers.qdrant import QdrantServer, qdrant_server

ROOT = Path(__file__).resolve().parents[2]
SYNCLINE = (sys.executable, "-m", "syncline_sync_worker.cli.main")
READY = 60.0
"""Seconds that a process may take to be ready, on a busy machine."""
ENDS = 60.0
"""Seconds that it may take to finish what is under way."""
QUICK = {
    "SYNCLINE_RELAY__LEASE_LIFE": "3",
    "SYNCLINE_RELAY__LONG_OVERLAP": "10",  # nothing surfaces later here than a write may take
    "SYNCLINE_RELAY__LONG_EVERY": "1",
    "SYNCLINE_RELAY__CHECKPOINT_EVERY": "0.5",
    "SYNCLINE_RELAY__LONGEST_BACKOFF": "1",
    "SYNCLINE_KAFKA__CONSUMER__SESSION_TIMEOUT": "4",
    "SYNCLINE_KAFKA__CONSUMER__HEARTBEAT": "1",
    "SYNCLINE_KAFKA__CONSUMER__LONGEST_PROBE": "1",
    "SYNCLINE_KAFKA__PRODUCER__PATIENCE": "3",
    "SYNCLINE_KAFKA__REQUEST_TIMEOUT": "5",
}
"""So that a death is noticed within seconds."""
SHARED = {**QUICK, "SYNCLINE_RELAY__SHARDS_AT_MOST": "3"}
"""Of four: two relays both have work."""


@dataclass(frozen=True)
class Servers:
    """Where the three are."""

    cql: CqlServer
    kafka: KafkaServer
    qdrant: QdrantServer

    @property
    def told(self) -> str:
        """Which they are."""
        return f"CQL at {self.cql.host}:{self.cql.port}, Kafka at {self.kafka.address}, {self.qdrant.told} at {self.qdrant.url}"

    def environment(self, name: str) -> dict[str, str]:
        """Of a process that works on the keyspace, topics and collection of this name."""
        return {
            "SYNCLINE_STORE": f"cql://{self.cql.host}:{self.cql.port}/{name}",
            "SYNCLINE_CQL__USER": USER,
            "SYNCLINE_CQL__PASSWORD": PASSWORD,
            "SYNCLINE_CQL__REPLICATION__FACTOR": "1",
            "SYNCLINE_INDEX": self.qdrant.url,
            "SYNCLINE_COLLECTION": name,
            "SYNCLINE_KAFKA__BOOTSTRAP_SERVERS": self.kafka.address,
            "SYNCLINE_KAFKA__EVENTS__NAME": f"{name}.events",
            "SYNCLINE_KAFKA__EVENTS__PARTITIONS": "6",
            "SYNCLINE_KAFKA__EVENTS__REPLICATION": "1",
            "SYNCLINE_KAFKA__DEAD_LETTERS__NAME": f"{name}.dead-letters",
            "SYNCLINE_KAFKA__DEAD_LETTERS__REPLICATION": "1",
            "SYNCLINE_KAFKA__CONSUMER__GROUP": name,
        }


@contextmanager
def servers(cql_server: Callable[[], AbstractContextManager[CqlServer]] = cql_server) -> Iterator[Servers]:
    """The first of each that can be had, all begun at once. Raises NoServerError."""
    with ExitStack() as stack:
        with ThreadPoolExecutor(3) as pool:
            cql = pool.submit(stack.enter_context, cql_server())
            kafka = pool.submit(stack.enter_context, kafka_server())
            qdrant = pool.submit(stack.enter_context, qdrant_server())
        yield Servers(cql.result(), kafka.result(), qdrant.result())


class Stack:
    """Processes by name, on a keyspace, topics and a collection of their own. All of them end with this process, however it does."""

    def __init__(self, folder: Path, servers: Servers, **settings: str) -> None:
        self.name = f"t{uuid.uuid4().hex[:12]}"
        self.folder = folder
        self.servers = servers
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.environment = {**servers.environment(self.name), **settings, "PYTHONPATH": path}
        self._processes: dict[str, Process] = {}
        self._ready: dict[str, str] = {}

    def run(self, *arguments: str, seconds: float = 120, **settings: str) -> subprocess.CompletedProcess[str]:
        """A `syncline` command to its end."""
        return ran(self.folder, *arguments, environment={**self.environment, **settings}, seconds=seconds)

    def begin(self, name: str, *arguments: str) -> None:
        """A `syncline` command that goes on, and answers for its health; `wait_for` waits until it is ready."""
        (port,) = free_ports(1)
        self._ready[name] = f"http://127.0.0.1:{port}/health/ready"
        self.begin_program(name, forked.SYNCLINE, *arguments, SYNCLINE_HTTP__PORT=str(port))

    def begin_program(self, name: str, module: str, *arguments: str, **settings: str) -> None:
        """Any module that runs as a program, in the same surroundings."""
        self._processes[name] = Forked(self.folder / name, module, *arguments, environment={**self.environment, **settings})

    def wait_for(self, *names: str) -> None:
        """Returns once they are ready. Raises NoServerError with the end of the log of one that is not."""
        for name in names:
            self._processes[name].wait_until(lambda name=name: _answers(self._ready[name]), READY)  # type: ignore[misc] # mypy infers no lambda with a default

    def is_running(self, name: str) -> bool:
        return self._processes[name].running

    def tail(self, name: str) -> str:
        """The end of its log."""
        return self._processes[name].tail(40)

    def address(self, name: str) -> str:
        """Where a process that was begun with `begin` answers for its health and metrics."""
        return self._ready[name].removesuffix("/health/ready")

    def exit_code(self, name: str) -> int | None:
        """None while it runs."""
        return self._processes[name].exit_code

    def log(self, name: str) -> str:
        """All that it wrote."""
        return self._processes[name].log.read_text(encoding="utf-8")

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def kill(self, name: str) -> None:
        """SIGKILL. It must have been running."""
        if not self.is_running(name):
            raise NoServerError(f"{name} ended by itself:\n{self.tail(name)}")
        self._processes[name].stop()

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self._processes[name].freeze()

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self._processes[name].thaw()

    def end(self, *names: str) -> None:
        """SIGTERM, which finishes what is under way. Raises NoServerError for one that does not end, or had ended before."""
        for name in names:
            if not self.is_running(name):
                raise NoServerError(f"{name} ended by itself:\n{self.tail(name)}")
            os.kill(self.pid(name), signal.SIGTERM)
        deadline = time.monotonic() + ENDS
        for name in names:
            while self.is_running(name):
                if time.monotonic() > deadline:
                    raise NoServerError(f"{name} did not end:\n{self.tail(name)}")
                time.sleep(0.02)

    def close(self) -> None:
        """SIGKILL to all that runs."""
        for process in self._processes.values():
            process.stop()


@contextmanager
def open_stack(folder: Path, servers: Servers, settings: Mapping[str, str]) -> Iterator[Stack]:
    """Migrated; nothing runs yet. Raises NoServerError where migrating fails."""
    stack = Stack(folder, servers, **settings)
    try:
        migrated = stack.run("migrate")
        if migrated.returncode:
            raise NoServerError(f"syncline migrate failed: {migrated.stdout}{migrated.stderr}")
        yield stack
    finally:
        stack.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
