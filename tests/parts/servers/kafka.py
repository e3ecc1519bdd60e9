"""A real Kafka for tests: an address from the environment, a container, or one node (KRaft) on the JVM."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.parts.servers.certificate import certificate
from tests.parts.servers.maven import Jvm, NoServerError, fetch, free_ports, listens
from tests.parts.servers.process import containers_answer

VERSION = "4.1.1"
IMAGE = f"apache/kafka:{VERSION}"
ADDRESS = "SYNCLINE_TEST_KAFKA"
USER, PASSWORD = "syncline", "the-right-one"
_START = 60
"""Seconds that a broker may take to listen."""
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAIN://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
connection.failed.authentication.delay.ms=0
listener.name.tls.ssl.keystore.type=PKCS12
listener.name.tls.ssl.keystore.location={keys}
listener.name.tls.ssl.keystore.password={password}
log.dirs={data}
auto.create.topics.enable=true
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
"""


class KafkaServer:
    """A broker's address. `own` is its process, where the tests may freeze, kill and start it."""

    def __init__(self, address: str, *, own: "KafkaProcess | None" = None) -> None:
        self.address = address
        self.own = own


def _jars() -> Path:
    return fetch("org.apache.kafka", "kafka_2.13", VERSION)


def prepare() -> None:
    """Fetch what a process of our own needs, where there will be one. Raises NoServerError."""
    if not os.environ.get(ADDRESS) and not containers_answer():
        _jars()


class KafkaProcess:
    """One node on the JVM. It creates topics by itself when asked for one (Kafka's default): Syncline must not ask."""

    def __init__(self, folder: Path) -> None:
        self._jars = _jars()
        self._folder = folder
        self._plain, self._sasl, self._tls, controller = free_ports(4)
        keys = folder / "keys.p12"
        self.ca_file = certificate(keys, PASSWORD)
        self._properties = folder / "server.properties"
        ports = {"plain": self._plain, "sasl": self._sasl, "tls": self._tls, "controller": controller}
        values = {**ports, "data": folder / "data", "keys": keys, "user": USER, "password": PASSWORD}
        self._properties.write_text(_PROPERTIES.format(**values), encoding="utf-8")
        format_log = ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(self._properties)]
        done = subprocess.run(
            ["java", "-Xmx256m", "-cp", f"{self._jars}/*", *format_log], capture_output=True, text=True, timeout=_START, check=False
        )
        if done.returncode:
            raise NoServerError(f"the broker's log could not be formatted: {done.stderr[-500:]}")
        self._jvm: Jvm | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._plain}"

    @property
    def sasl_address(self) -> str:
        """The listener that wants SASL PLAIN from USER with PASSWORD."""
        return f"127.0.0.1:{self._sasl}"

    @property
    def tls_address(self) -> str:
        """The listener with a certificate that `ca_file` vouches for."""
        return f"127.0.0.1:{self._tls}"

    def start(self) -> None:
        """Begin, or begin again after `kill` with all that was stored."""
        options = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        self._jvm = Jvm(self._folder, self._jars, [*options, "kafka.Kafka", str(self._properties)])
        self._jvm.wait_until(lambda: listens(self._plain), _START)

    def kill(self) -> None:
        """SIGKILL."""
        if self._jvm is not None:
            self._jvm.stop()
            self._jvm = None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered. Returns once every thread stands still."""
        self._running.freeze()

    def thaw(self) -> None:
        """End the freeze; a broker that was killed is started."""
        if self._jvm is None:
            self.start()
        self._running.thaw()

    @property
    def _running(self) -> Jvm:
        if self._jvm is None:
            raise RuntimeError("the broker is not running")
        return self._jvm


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """One broker a session; each test has topics of its own. Without one the test is skipped, and fails where CI=true."""
    try:
        with kafka_server() as server:
            yield server
    except NoServerError as error:
        missing = f"no Kafka: {error} (give one by {ADDRESS}=host:port)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture
def own_kafka(kafka: KafkaServer) -> Iterator[KafkaProcess]:
    """The broker's process, to freeze and kill; it runs again when the test ends, whatever the test did."""
    if kafka.own is None:
        pytest.skip("this broker is not ours to stop")
    yield kafka.own
    kafka.own.thaw()


@contextmanager
def kafka_server() -> Iterator[KafkaServer]:
    """The first that there is. Raises NoServerError."""
    if address := os.environ.get(ADDRESS):
        yield KafkaServer(address)
    elif containers_answer():
        with _container() as server:
            yield server
    else:
        with tempfile.TemporaryDirectory(prefix="syncline-kafka-", ignore_cleanup_errors=True) as folder:
            process = KafkaProcess(Path(folder))
            try:
                process.start()
                yield KafkaServer(process.address, own=process)
            finally:
                process.kill()


@contextmanager
def _container() -> Iterator[KafkaServer]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - used where a container engine answers only

    (port,) = free_ports(1)
    container = DockerContainer(IMAGE).with_bind_ports(port, port)
    for name, value in {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:19093",
        "LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:19093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }.items():
        container = container.with_env(f"KAFKA_{name}", value)
    with container:
        _wait_until_it_answers(port)
        yield KafkaServer(f"127.0.0.1:{port}")


def _wait_until_it_answers(port: int) -> None:

    deadline = time.monotonic() + _START
    while not listens(port):
        if time.monotonic() > deadline:
            raise NoServerError(f"the Kafka container did not listen within {_START} s")
        time.sleep(0.2)
