"""What the doctor says of what it sees: each verdict on both sides of its limit, and a failure that hides nothing else."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client.models import CollectionStatus, PayloadSchemaType

from syncline_contracts.errors import StorageUnavailable
from syncline_store.index.collection import INDEXED
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.doctor import Finding, Level, clocks, examine, index, kafka, outbox, servers, settings, storage, topics
from syncline_sync_worker.doctor.finding import ok
from syncline_sync_worker.doctor.version import parsed
from syncline_sync_worker.transport.kafka import EventTopicSettings, KafkaSettings

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
DAY = 86_400.0
TOPIC = EventTopicSettings(partitions=12, replication=3)


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2025.4.1-0.20251101.abc", (2025, 4)), ("5.0.6", (5, 0)), ("5.1-SNAPSHOT", (5, 1)), ("6", (6, 0)), ("dev", (0, 0))],
)
def test_versions_are_compared_by_their_first_two_numbers(version: str, numbers: tuple[int, int]) -> None:
    assert parsed(version) == numbers


@pytest.mark.parametrize(
    ("name", "version", "level"),
    [
        ("ScyllaDB", "2025.4.0", OK),
        ("ScyllaDB", "2026.1.0", OK),
        ("ScyllaDB", "2025.3.9", FAIL),
        ("ScyllaDB", "6.2.1", FAIL),
        ("Cassandra", "5.0.6", OK),
        ("Cassandra", "4.1.5", WARN),
        ("Cassandra", "4.0.9", FAIL),
    ],
)
def test_a_storage_server_below_its_floor_fails(name: str, version: str, level: Level) -> None:
    assert servers.version_verdict(name, version).level is level


@pytest.mark.parametrize(
    ("replication", "nodes", "level", "said"),
    [
        ({"class": "NetworkTopologyStrategy", "dc1": "3"}, {"dc1": 3, "dc2": 3}, OK, "dc1: 3 on 3 nodes in dc1"),
        ({"class": "NetworkTopologyStrategy", "dc1": "3"}, {"dc1": 2}, WARN, "2 nodes"),
        ({"class": "NetworkTopologyStrategy", "dc1": "3"}, {"dc1": 1}, FAIL, "no quorum"),
        ({"class": "NetworkTopologyStrategy", "dc1": "1"}, {"dc1": 1}, WARN, "one copy"),
        ({"class": "NetworkTopologyStrategy", "dc2": "3"}, {"dc1": 3}, FAIL, "none in dc1"),
        ({"class": "SimpleStrategy", "replication_factor": "3"}, {"dc1": 2, "dc2": 1}, OK, "replication_factor: 3"),
    ],
)
def test_copies_are_held_against_the_nodes(replication: dict[str, str], nodes: dict[str, int], level: Level, said: str) -> None:
    found = servers.replication_verdict(replication, nodes, "dc1")
    assert (found.level, said in found.said) == (level, True), found.said


@pytest.mark.parametrize(
    ("skew", "bound", "level"),
    [
        (0, 500, OK),
        (-900_000, 500, OK),
        (2_000_000, 500, WARN),
        (-2_000_000, 1_500_000, OK),
        (6_000_000, 500, FAIL),
        (-6_000_000, 500, FAIL),
    ],
)
def test_clocks_are_apart_by_what_is_certain(skew: int, bound: int, level: Level) -> None:
    found = clocks.verdict(skew, bound)
    assert found.level is level
    assert ("behind" in found.said) == (skew <= 0)


@pytest.mark.parametrize(
    ("oldest", "mark", "relayed", "level"),
    [
        (None, None, True, OK),
        (10.0, 5.0, True, OK),
        (300.0, 5.0, True, WARN),
        (300.0, 5.0, False, WARN),
        (1.6 * DAY, 5.0, True, FAIL),
        (1.6 * DAY, None, False, FAIL),
        (None, 1.6 * DAY, True, FAIL),
        (None, 1.6 * DAY, False, OK),
    ],
)
def test_an_event_that_is_half_way_to_its_end_fails(oldest: float | None, mark: float | None, *, relayed: bool, level: Level) -> None:
    found = outbox.verdict(waiting=0 if oldest is None else 3, oldest=oldest, mark=mark, life=3 * DAY, relayed=relayed)
    assert found.level is level
    assert bool(found.remedy) == (level is not OK)


def test_who_asks_for_other_shards_learns_how_many_there_are() -> None:
    assert storage.shards_verdict(4, None).level is storage.shards_verdict(4, 4).level is OK
    assert storage.shards_verdict(4, 8).level is WARN


def topic(**given: Any) -> topics.Topic:
    configs = {
        "min.insync.replicas": "2",
        "retention.ms": str(int(7 * DAY * 1000)),
        "max.message.bytes": "1048576",
        "cleanup.policy": "delete",
    }
    return topics.Topic(**{"partitions": 12, "replicas": 3, "in_sync": 3, "configs": configs | given.pop("configs", {})} | given)


@pytest.mark.parametrize(
    ("found", "level", "said"),
    [
        (None, FAIL, "is not there"),
        (topic(partitions=6), FAIL, "6 partitions"),
        (topic(), OK, "3 of 3 replicas"),
        (topic(partitions=24), OK, "24 partitions"),
        (topic(in_sync=1), FAIL, "nothing can be written"),
        (topic(in_sync=2), WARN, "2 of 3"),
        (topic(replicas=1, in_sync=1, configs={"min.insync.replicas": "1"}), WARN, "has 1 replicas"),
        (topic(configs={"min.insync.replicas": "1"}), WARN, "may be lost"),
        (topic(configs={"retention.ms": "3600000"}), WARN, "1.0 hours"),
        (topic(configs={"retention.ms": "-1"}), OK, ""),
        (topic(configs={"max.message.bytes": "1000"}), WARN, "1,000 bytes"),
        (topic(configs={"cleanup.policy": "compact"}), WARN, "compact"),
        (topics.Topic(partitions=12, replicas=3, in_sync=3), OK, "12 partitions"),
    ],
)
def test_a_topic_is_held_against_the_settings(found: topics.Topic | None, level: Level, said: str) -> None:
    (verdict,) = topics.topic_verdicts(TOPIC, found)
    assert (verdict.level, said in verdict.said) == (level, True), verdict.said


@pytest.mark.parametrize(("records", "oldest", "level"), [(0, None, OK), (5, 10.0, OK), (5, 400.0, WARN), (5, 4 * DAY, FAIL)])
def test_a_group_that_is_behind_is_told_by_age(records: int, oldest: float | None, level: Level) -> None:
    assert topics.lag_verdict("g", records, oldest, 7 * DAY).level is level


def test_fewer_brokers_than_replicas_are_told() -> None:
    brokers = [{"node_id": number, "host": f"k{number}", "port": 9092} for number in range(3)]
    assert kafka.brokers_verdict(brokers, KafkaSettings()).level is OK
    assert kafka.brokers_verdict(brokers[:1], KafkaSettings()).level is WARN


@pytest.mark.parametrize(("said", "level"), [("true", WARN), ("false", OK), (None, OK)])
def test_topics_that_make_themselves_are_told(said: str | None, level: Level) -> None:
    assert kafka.auto_create_verdict({} if said is None else {"auto.create.topics.enable": said}).level is level


@pytest.mark.parametrize(("version", "level"), [("1.19.0", OK), ("1.20.2", OK), ("1.18.9", FAIL), ("1.9.0", FAIL)])
def test_an_index_server_below_its_floor_fails(version: str, level: Level) -> None:
    assert index.version_verdict(version).level is level


def test_a_collection_of_another_model_fails() -> None:
    assert index.model_verdict("m", 256, "m", 256).level is OK
    assert index.model_verdict("m", 128, "m", 256).level is FAIL
    assert index.model_verdict("other", 256, "m", 256).level is FAIL
    assert index.model_verdict("m", None, "m", 256).level is FAIL
    assert index.status_verdict("c", CollectionStatus.GREEN, 1).level is OK
    assert index.status_verdict("c", CollectionStatus.RED, 1).level is FAIL


def test_a_payload_index_that_is_missing_or_of_another_kind_fails() -> None:
    assert index.payload_verdict(INDEXED).level is OK
    (first, *_) = INDEXED
    without = {field: kind for field, kind in INDEXED.items() if field != first}
    assert str(first) in index.payload_verdict(without).said
    assert index.payload_verdict(INDEXED | {first: PayloadSchemaType.GEO}).level is FAIL


def test_settings_are_listed_by_where_they_come_from() -> None:
    (default,) = settings.by_source({})
    assert "default" in default.said
    found = settings.by_source({"store": "environment", "index": "syncline.yaml", "cql.user": "environment"})
    assert [(finding.check, finding.said) for finding in found] == [("environment", "store, cql.user"), ("syncline.yaml", "index")]
    (many,) = settings.by_source({f"n{number}": "x.yaml" for number in range(9)})
    assert many.said.endswith("and 3 more")


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({}, "embedded"),
        ({"store": "cql://a/app", "index": "http://q:6333"}, "direct"),
        ({"store": "cql://a/app", "index": "http://q:6333", "kafka": {}}, "distributed"),
    ],
)
def test_the_mode_is_named(given: dict[str, Any], mode: str) -> None:
    assert settings.mode(Configuration.model_validate(given)).startswith(mode)


async def ends(_: object) -> AsyncGenerator[Finding, None]:
    yield ok("first", "was found before")
    raise StorageUnavailable("no server answers: start it")


async def hangs(_: object) -> AsyncGenerator[Finding, None]:
    yield ok("first", "was found before")
    await asyncio.Event().wait()


async def breaks(_: object) -> AsyncGenerator[Finding, None]:
    yield ok("first", "was found before")
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("look", "check", "said"), [(ends, "connection", "start it"), (hangs, "answer", "none within"), (breaks, "check", "ZeroDivision")]
)
async def test_a_part_that_fails_hides_neither_its_findings_nor_the_others(
    look: Any, check: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "look", look)
    examined = {each.part: each.findings for each in await examine(Configuration(data=tmp_path), {}, within=1.0)}
    assert set(examined) == {"configuration", "storage", "index", "embedder"}
    first, failed = examined["storage"]
    assert (first.level, failed.level, failed.check) == (OK, FAIL, check)
    assert said in failed.said
    assert examined["index"][0].level is OK


def test_every_check_is_documented_and_no_other() -> None:
    root = Path(__file__).parents[2]
    section = (root / "docs" / "cli.md").read_text().partition("## Doctor")[2].partition("\n## ")[0]
    checks = [line.split("|")[2] for line in section.splitlines() if line.startswith("|")]
    documented = {check for cell in checks for check in re.findall(r"`([a-z -]+?)(?: NAME)?`", cell)}
    documented |= set(re.findall(r"`([a-z]+)` \(", section.rpartition("|")[2]))
    code = "\n".join(path.read_text() for path in (root / "sync_worker" / "syncline_sync_worker" / "doctor").glob("*.py"))
    written = set(re.findall(r'\b(?:ok|warn|fail)\(\s*"([a-z -]+)"', code))
    assert documented - {"topic"} == written - {"settings"}, "'settings' is the line that says there are none"
