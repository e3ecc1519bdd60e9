"""`syncline relay` and `syncline worker` as processes on real servers: how they start, wait, answer for their health, and end."""

import asyncio
import json
import os
import re
import signal
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from syncline_store.store import open_store
from syncline_store.tenant import TenantView
from syncline_sync_worker.config import load
from tests.parts.consuming import until
from tests.parts.servers import cql
from tests.parts.servers import kafka as broker
from tests.parts.servers.kafka import KafkaProcess, KafkaServer
from tests.parts.servers.process import free_ports, freeze
from tests.parts.servers.qdrant import QdrantProcess, QdrantServer
from tests.parts.stack import QUICK, ROOT, Servers, Stack, open_stack

pytestmark = [pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")]

BOTH = ("relay", "worker")
LONG = 60.0
"""Seconds that anything here may take on a busy machine."""
PLANTED = "pl4nted-k3y"
SETTINGS = {
    **QUICK,
    "SYNCLINE_RELAY__SHARDS_AT_MOST": "64",
    "SYNCLINE_CQL__CONNECT_TIMEOUT": "1",
    "SYNCLINE_LOG__FORM": "json",
    "SYNCLINE_LOG__LEVEL": "debug",
    "SYNCLINE_INDEX_API_KEY": PLANTED,
}
METRICS = ROOT / "docs" / "metrics.md"


@contextmanager
def stack_on(folder: Path, servers: Servers, **changes: str) -> Iterator[Stack]:
    with open_stack(folder, servers, {**SETTINGS, **changes}) as stack:
        yield stack
    cql.drop(stack.name)


@pytest.fixture
def stack(tmp_path: Path, kafka: KafkaServer, qdrant: QdrantServer) -> Iterator[Stack]:
    with stack_on(tmp_path, Servers(cql.server(), kafka, qdrant)) as made:
        yield made


@pytest.fixture(scope="module")
def unused(tmp_path_factory: pytest.TempPathFactory, kafka: KafkaServer, qdrant: QdrantServer) -> Iterator[Stack]:
    """One for all tests whose processes end before they would do anything with it."""
    with stack_on(tmp_path_factory.mktemp("unused"), Servers(cql.server(), kafka, qdrant)) as made:
        yield made


def ready(stack: Stack, name: str) -> tuple[int, list[str]]:
    try:
        answer = httpx.get(f"{stack.address(name)}/health/ready", timeout=5)
    except httpx.HTTPError:
        return 0, []
    return answer.status_code, answer.json()["reasons"]


def lives(stack: Stack, name: str) -> bool:
    """Whether it says so."""
    answer = httpx.get(f"{stack.address(name)}/health/live", timeout=5)
    return answer.status_code == 200 and answer.json() == {"live": True, "reasons": []}


async def says(stack: Stack, name: str, condition: Callable[[int, list[str]], bool]) -> None:
    """Wait until its answer is so."""
    last: list[object] = []

    def so() -> bool:
        assert stack.is_running(name), stack.tail(name)
        last[:] = ready(stack, name)
        return condition(*last)  # type: ignore[arg-type] # what `ready` gives

    try:
        await until(so, LONG)
    except TimeoutError:
        pytest.fail(f"{name} last said {last}:\n{stack.tail(name)}")


async def waits_for(stack: Stack, name: str, part: str) -> None:
    await says(stack, name, lambda code, reasons: code == 503 and any(f"waiting for {part}" in reason for reason in reasons))


async def are_ready(stack: Stack, *names: str) -> None:
    for name in names:
        await says(stack, name, lambda code, _: code == 200)


async def ends(stack: Stack, name: str, seconds: float = LONG) -> int | None:
    """SIGTERM; its exit code."""
    os.kill(stack.pid(name), signal.SIGTERM)
    await until(lambda: not stack.is_running(name), seconds)
    return stack.exit_code(name)


@asynccontextmanager
async def notes_on(stack: Stack) -> AsyncIterator[TenantView]:
    """What an app opens."""
    with patch.dict(os.environ, stack.environment):
        configuration = load()
    async with await open_store(configuration) as store:
        yield store.tenant("acme")


async def put(stack: Stack, key: str) -> None:
    async with notes_on(stack) as notes:
        await notes.put(("notes",), key, {"text": f"the cat sat on the mat of {key}"})


async def put_and_find(stack: Stack, key: str) -> None:
    """Its put is in the index a moment later."""
    await put(stack, key)
    async with notes_on(stack) as notes, asyncio.timeout(LONG):
        while key not in [hit.key for hit in await notes.search(("notes",), query="a cat on a mat", limit=10)]:  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.05)


def metrics(stack: Stack, name: str) -> defaultdict[str, float]:
    """Sums over all labels, by the sample's name."""
    sums = defaultdict[str, float](float)
    for family in text_string_to_metric_families(httpx.get(f"{stack.address(name)}/metrics", timeout=5).text):
        sums[family.name] += 0.0
        for sample in family.samples:
            sums[sample.name] += sample.value
    return sums


async def test_a_put_is_indexed_and_a_term_ends_both_with_nothing_lost(stack: Stack) -> None:
    for name in BOTH:
        stack.begin(name, name)
    await are_ready(stack, *BOTH)
    await put_and_find(stack, "first")
    assert all(lives(stack, name) for name in BOTH)
    theirs = METRICS.read_text(encoding="utf-8").partition("\n## The library")[0]
    documented = set(re.findall(r"^\| `(syncline_\w+)`", theirs, re.MULTILINE))
    assert len(documented) > 10
    for name in BOTH:
        assert {metric.removesuffix("_total") for metric in documented} <= metrics(stack, name).keys()
    assert metrics(stack, "relay")["syncline_relay_published_total"] >= 1
    assert metrics(stack, "worker")["syncline_handler_outcomes_total"] >= 1
    assert [await ends(stack, name) for name in BOTH] == [0, 0]


async def test_a_drained_relay_leaves_its_leases_to_the_next_at_once(tmp_path: Path, kafka: KafkaServer, qdrant: QdrantServer) -> None:
    """A lease lives for ten minutes here: nobody waits for it to run out."""
    with stack_on(tmp_path, Servers(cql.server(), kafka, qdrant), SYNCLINE_RELAY__LEASE_LIFE="600") as stack:
        stack.begin("relay", "relay")
        await are_ready(stack, "relay")
        await until(lambda: metrics(stack, "relay")["syncline_relay_leases"] == 4, LONG)
        assert await ends(stack, "relay") == 0
        stack.begin("next", "relay")
        await are_ready(stack, "next")
        await until(lambda: metrics(stack, "next")["syncline_relay_leases"] == 4, LONG)


async def test_started_before_their_servers_they_wait_and_then_work(
    tmp_path: Path, kafka: KafkaServer, own_kafka: KafkaProcess, own_qdrant: QdrantProcess
) -> None:
    """Kafka wants a password, and everything is logged: no secret stands in any line."""
    at = cql.server()
    if at.process is None:
        pytest.skip("this CQL server is not ours to stop")
    security = {
        "SYNCLINE_KAFKA__BOOTSTRAP_SERVERS": own_kafka.sasl_address,
        "SYNCLINE_KAFKA__SECURITY__PROTOCOL": "SASL_PLAINTEXT",
        "SYNCLINE_KAFKA__SECURITY__MECHANISM": "PLAIN",
        "SYNCLINE_KAFKA__SECURITY__USERNAME": broker.USER,
        "SYNCLINE_KAFKA__SECURITY__PASSWORD": broker.PASSWORD,
    }
    with stack_on(tmp_path, Servers(at, kafka, QdrantServer(own_qdrant.url, "", own_qdrant)), **security) as stack:
        freeze(at.process.pid)
        own_kafka.kill()
        own_qdrant.kill()
        try:
            for name in BOTH:
                stack.begin(name, name)
                await waits_for(stack, name, "the storage cql://")
                assert lives(stack, name)
        finally:
            os.kill(at.process.pid, signal.SIGCONT)
        for name in BOTH:
            await waits_for(stack, name, "Kafka at")
        own_kafka.start()
        await waits_for(stack, "worker", "the index http://")
        own_qdrant.start()
        await are_ready(stack, *BOTH)
        await put_and_find(stack, "late")
        assert [await ends(stack, name) for name in BOTH] == [0, 0]
        for name in BOTH:
            lines = [json.loads(line) for line in stack.log(name).splitlines()]
            assert {"the storage", "Kafka at"} <= {line["part"].rpartition(" ")[0] for line in lines if line["event"] == "waiting"}
            assert not [line for line in lines if broker.PASSWORD in str(line) or PLANTED in str(line)]


async def test_a_term_while_they_wait_ends_them_at_once(unused: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    (nobody,) = free_ports(1)
    monkeypatch.setitem(unused.environment, "SYNCLINE_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{nobody}")
    for name in BOTH:
        unused.begin(name, name)
    for name in BOTH:
        await waits_for(unused, name, "Kafka at")
        assert await ends(unused, name) == 0


async def test_a_second_term_cuts_short(stack: Stack, own_kafka: KafkaProcess) -> None:
    """The first would wait for what Kafka does not acknowledge."""
    stack.environment |= {"SYNCLINE_RELAY__STOP_WITHIN": "60", "SYNCLINE_KAFKA__PRODUCER__PATIENCE": "60"}
    stack.environment["SYNCLINE_KAFKA__PRODUCER__STOP_WITHIN"] = "1"
    stack.begin("relay", "relay")
    await are_ready(stack, "relay")
    await put(stack, "before")
    await until(lambda: metrics(stack, "relay")["syncline_relay_published_total"] >= 1, LONG)
    own_kafka.freeze()
    await put(stack, "after")
    await says(stack, "relay", lambda code, _: code == 503)
    os.kill(stack.pid("relay"), signal.SIGTERM)
    await says(stack, "relay", lambda _, reasons: "draining" in reasons)
    assert await ends(stack, "relay") == 130


async def test_kafka_that_stands_still_shows_and_is_got_over(stack: Stack, own_kafka: KafkaProcess) -> None:
    for name in BOTH:
        stack.begin(name, name)
    await are_ready(stack, *BOTH)
    own_kafka.freeze()
    for name in BOTH:
        await waits_for(stack, name, "Kafka at")
        assert lives(stack, name)
    own_kafka.thaw()
    await are_ready(stack, *BOTH)
    await put_and_find(stack, "after")


async def test_an_index_that_is_out_shows_as_long_as_it_is(tmp_path: Path, kafka: KafkaServer, own_qdrant: QdrantProcess) -> None:
    with stack_on(tmp_path, Servers(cql.server(), kafka, QdrantServer(own_qdrant.url, "", own_qdrant))) as stack:
        for name in BOTH:
            stack.begin(name, name)
        await are_ready(stack, *BOTH)
        own_qdrant.kill()
        await waits_for(stack, "worker", "the index")
        assert ready(stack, "relay")[0] == 200, "a relay needs no index"
        own_qdrant.start()
        await are_ready(stack, "worker")
        await put_and_find(stack, "after")


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"SYNCLINE_STORE": "another keyspace"}, "syncline migrate"),
        ({"SYNCLINE_KAFKA__EVENTS__NAME": "no.such.topic"}, "syncline migrate"),
        ({"SYNCLINE_CQL__PASSWORD": "wrong-0ne"}, "password"),
        (
            {
                "SYNCLINE_KAFKA__SECURITY__PROTOCOL": "SASL_PLAINTEXT",
                "SYNCLINE_KAFKA__SECURITY__MECHANISM": "PLAIN",
                "SYNCLINE_KAFKA__SECURITY__USERNAME": broker.USER,
                "SYNCLINE_KAFKA__SECURITY__PASSWORD": "wrong-0ne",
            },
            "password",
        ),
        ({"SYNCLINE_HTTP__HOST": "192.0.2.1"}, "http.host"),
    ],
    ids=["no schema", "no topic", "wrong CQL password", "wrong Kafka password", "no such host"],
)
def test_what_waiting_cannot_mend_ends_it_at_once_with_the_remedy(
    unused: Stack, own_kafka: KafkaProcess, changes: dict[str, str], remedy: str
) -> None:
    changes = {"SYNCLINE_HTTP__PORT": "0", **changes}
    if "SYNCLINE_STORE" in changes:
        changes["SYNCLINE_STORE"] = unused.environment["SYNCLINE_STORE"] + "_else"
    if "SYNCLINE_KAFKA__SECURITY__PROTOCOL" in changes:
        changes["SYNCLINE_KAFKA__BOOTSTRAP_SERVERS"] = own_kafka.sasl_address
    for name in BOTH:
        ended = unused.run(name, **changes, seconds=LONG)
        last = json.loads(ended.stderr.splitlines()[-1])
        assert ended.returncode == 2
        assert remedy in last["error"]
        assert "wrong-0ne" not in ended.stderr


def test_a_port_in_use_ends_it_before_anything_is_opened(unused: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = unused.run("worker", SYNCLINE_HTTP__PORT=port, SYNCLINE_STORE="cql://192.0.2.1/nowhere", seconds=LONG)
    assert ended.returncode == 2
    assert "http.port" in ended.stderr
    assert "waiting" not in ended.stderr
