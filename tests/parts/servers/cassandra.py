"""A CQL server for tests: the address in SYNCLINE_TEST_CQL, a ScyllaDB container, or Cassandra 5 as a process of its own."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.parts.servers.certificate import certificate
from tests.parts.servers.maven import Jvm, NoServerError, fetch, free_ports, listens
from tests.parts.servers.process import containers_answer

ADDRESS = "SYNCLINE_TEST_CQL"
PID = "SYNCLINE_TEST_CQL_PID"
CA_FILE = "SYNCLINE_TEST_CQL_CA"
"""Of the process there, where it is the tests' own and may be frozen: they were begun together (tests/run.py)."""
VERSION = "5.0.6"
SCYLLA_IMAGE = "scylladb/scylla:2025.4"
USER = PASSWORD = "cassandra"  # noqa: S105 - what a new Cassandra begins with
_STARTING = 120

_EXPORTS = (
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "jdk.unsupported/sun.misc",
)
_OPENS = (
    *(f"java.base/java.{name}" for name in ("lang.module", "io", "nio", "lang", "util", "util.concurrent", "util.concurrent.atomic")),
    *(f"java.base/jdk.internal.{name}" for name in ("loader", "ref", "reflect", "math", "module", "util.jar")),
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
)
# The limits on batches are the server's own defaults.
_YAML = """
cluster_name: syncline-tests
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
authenticator: PasswordAuthenticator
authorizer: AllowAllAuthorizer
data_file_directories: [{folder}/data]
commitlog_directory: {folder}/commitlog
saved_caches_directory: {folder}/caches
hints_directory: {folder}/hints
commitlog_sync: periodic
commitlog_sync_period: 1000ms
commitlog_segment_size: 32MiB
endpoint_snitch: SimpleSnitch
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
native_transport_port: {port}
storage_port: {storage_port}
client_encryption_options:
  enabled: true
  optional: true
  keystore: {keys}
  keystore_password: {password}
  store_type: PKCS12
auto_snapshot: false
disk_optimization_strategy: ssd
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: "127.0.0.1:{storage_port}"}}]
"""
_LOGBACK = """<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %-5level %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
</configuration>
"""


@dataclass(frozen=True)
class Borrowed:
    """A process that whoever began the tests started for them, and stops."""

    pid: int


@dataclass(frozen=True)
class CqlServer:
    """Where it listens. `process` is there where it is a JVM of our own, which a test may freeze."""

    host: str
    port: int
    process: Jvm | Borrowed | None = None
    ca_file: Path | None = None
    """What vouches for its certificate, where it speaks TLS, too."""


@contextmanager
def cql_server() -> Iterator[CqlServer]:
    """The first that can be had. Raises NoServerError."""
    if given := os.environ.get(ADDRESS):
        host, _, port = given.rpartition(":")
        pid, ca_file = os.environ.get(PID), os.environ.get(CA_FILE)
        yield CqlServer(host, int(port), Borrowed(int(pid)) if pid else None, Path(ca_file) if ca_file else None)
    elif containers_answer():
        with _scylla() as server:
            yield server
    else:
        with cassandra() as server:
            yield server


@contextmanager
def cassandra() -> Iterator[CqlServer]:
    """One node with 1 GB of heap. Raises NoServerError."""
    jars = fetch("org.apache.cassandra", "cassandra-all", VERSION)
    folder = Path(tempfile.mkdtemp(prefix="syncline-cassandra-"))
    port, storage_port = free_ports(2)
    keys = folder / "keys.p12"
    ca_file = certificate(keys, PASSWORD)
    values = {"folder": folder, "port": port, "storage_port": storage_port, "keys": keys, "password": PASSWORD}
    (folder / "cassandra.yaml").write_text(_YAML.format(**values), encoding="utf-8")
    (folder / "logback.xml").write_text(_LOGBACK, encoding="utf-8")
    process = Jvm(folder, jars, _arguments(folder))
    try:
        process.wait_until(lambda: listens(port), _STARTING)
        yield CqlServer("127.0.0.1", port, process, ca_file)
    finally:
        process.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _arguments(folder: Path) -> list[str]:
    properties = {
        "cassandra.config": f"file://{folder}/cassandra.yaml",
        "cassandra.storagedir": str(folder),
        "cassandra-foreground": "yes",
        "cassandra.skip_wait_for_gossip_to_settle": "0",
        "cassandra.ring_delay_ms": "0",
        "cassandra.superuser_setup_delay_ms": "0",
        "cassandra.unsafesystem": "true",
        "cassandra.auth_bcrypt_gensalt_log2_rounds": "4",
        "jdk.attach.allowAttachSelf": "true",
        "logback.configurationFile": str(folder / "logback.xml"),
    }
    return [
        *("-Xms512m", "-Xmx1g"),
        *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),  # a server of minutes: compiling for hours of work takes half of its CPU
        *(word for package in _EXPORTS for word in ("--add-exports", f"{package}=ALL-UNNAMED")),
        *(word for package in _OPENS for word in ("--add-opens", f"{package}=ALL-UNNAMED")),
        *(f"-D{name}={value}" for name, value in properties.items()),
        "org.apache.cassandra.service.CassandraDaemon",
    ]


@contextmanager
def _scylla() -> Iterator[CqlServer]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - only where there are containers

    container = DockerContainer(SCYLLA_IMAGE).with_exposed_ports(9042)
    container = container.with_command("--smp 1 --memory 1G --overprovisioned 1 --developer-mode 1")
    try:
        container.start()
    except Exception as error:
        raise NoServerError(f"the ScyllaDB container did not start: {error}") from error
    try:
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(9042))
        _wait_for(host, port)
        yield CqlServer(host, port)
    finally:
        container.stop()


def _wait_for(host: str, port: int) -> None:
    deadline = time.monotonic() + _STARTING
    while not listens(port, host):
        if time.monotonic() > deadline:
            raise NoServerError(f"ScyllaDB did not listen within {_STARTING} s")
        time.sleep(0.5)
