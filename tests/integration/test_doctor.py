"""The doctor on real servers: all is well, and what it says when one thing is wrong."""

import pytest

from syncline_sync_worker.config import Configuration
from syncline_sync_worker.doctor import Finding, Level, examine
from syncline_sync_worker.migrating import migrate
from syncline_sync_worker.transport.kafka.topics import ensure_topics
from tests.integration.configured import but, configured
from tests.integration.cql import keyspace
from tests.parts.servers.process import free_ports

__all__ = ["configured", "keyspace"]
WRONG = {"cql__password": "wrong"}


@pytest.fixture
async def migrated(configured: Configuration) -> Configuration:
    async for _ in migrate(configured, wait=60, waiting=lambda *_: None):
        pass
    return configured


async def found(configuration: Configuration) -> dict[str, Finding]:
    examined = await examine(configuration, {}, within=30)
    return {f"{each.part}: {finding.check}": finding for each in examined for finding in each.findings}


def bad(findings: dict[str, Finding]) -> dict[str, str]:
    """What failed, and what it says with its remedy."""
    return {name: f"{finding.said} {finding.remedy}" for name, finding in findings.items() if finding.level is Level.FAIL}


async def test_all_is_well_but_for_what_one_node_cannot_give(migrated: Configuration) -> None:
    findings = await found(migrated)
    assert bad(findings) == {}
    warned = {name for name, finding in findings.items() if finding.level is Level.WARN}
    assert warned <= {"storage: replication", "kafka: auto-create"}, "one node keeps one copy; Kafka makes topics unless told not to"
    name = migrated.collection
    assert set(findings) == {
        *(f"configuration: {check}" for check in ("mode", "settings")),
        *(f"storage: {check}" for check in ("server", "replication", "clocks", "schema", "shards", "outbox", "dead letters")),
        *(f"kafka: {check}" for check in ("brokers", "auto-create", f"topic {name}.events", f"topic {name}.dead-letters", "lag")),
        *(f"index: {check}" for check in ("server", "collection", "model", "payload indexes")),
        "embedder: model",
    }
    assert "0 events behind" in findings["kafka: lag"].said


async def test_what_was_not_migrated_is_named_part_by_part(configured: Configuration) -> None:
    failed = bad(await found(configured))
    name = configured.collection
    assert set(failed) == {"storage: schema", f"kafka: topic {name}.events", f"kafka: topic {name}.dead-letters", "index: collection"}
    assert all("syncline migrate" in said for said in failed.values())


@pytest.mark.usefixtures("migrated")
async def test_a_topic_that_is_missing_is_not_made_by_looking_for_it() -> None:
    other = but(kafka__events__name="somewhere-else")
    for _ in range(2):
        failed = bad(await found(other))
        assert set(failed) == {"kafka: topic somewhere-else"}


async def test_too_few_partitions_are_told(migrated: Configuration) -> None:
    assert migrated.kafka is not None
    await ensure_topics(migrated.kafka)
    failed = bad(await found(but(kafka__events__partitions="7")))
    assert failed.keys() == {f"kafka: topic {migrated.collection}.events"}
    assert "has 6 partitions, the settings ask for 7" in next(iter(failed.values()))


@pytest.mark.usefixtures("migrated")
async def test_a_wrong_password_is_told_and_hides_nothing_else() -> None:
    findings = await found(but(**WRONG))
    failed = bad(findings)
    assert set(failed) == {"storage: connection"}
    assert "wrong user or password" in failed["storage: connection"]
    assert findings["kafka: lag"].level is Level.OK


@pytest.mark.usefixtures("migrated")
@pytest.mark.parametrize(
    ("setting", "address", "part"),
    [
        ("store", "cql://127.0.0.1:{}/app", "storage"),
        ("kafka__bootstrap_servers", "127.0.0.1:{}", "kafka"),
        ("index", "http://127.0.0.1:{}", "index"),
    ],
)
async def test_a_server_that_is_down_is_told_and_hides_nothing_else(setting: str, address: str, part: str) -> None:
    failed = bad(await found(but(**{setting: address.format(*free_ports(1))})))
    assert set(failed) == {f"{part}: connection"}
    assert "127.0.0.1" in failed[f"{part}: connection"]
