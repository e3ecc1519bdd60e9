"""`syncline migrate` on real servers: once, also when two do it; waiting for what is away, and for nothing that waiting cannot mend."""

import asyncio
import time
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from syncline_contracts.errors import ConfigurationError, IndexUnavailable, StorageUnavailable, TransportUnavailable, Unavailable
from syncline_sync_worker import migrating
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.migrating import Step, migrate
from tests.integration.configured import but, configured
from tests.integration.cql import keyspace
from tests.parts.servers.process import free_ports
from tests.parts.servers.qdrant import QdrantProcess

__all__ = ["configured", "keyspace"]
WRONG = {"cql__password": "wrong"}
LONG_WAIT = 600.0
AT_ONCE = 15.0
"""Seconds; the wait that is asked for is far longer."""


def nobody_waits(part: str, error: Unavailable) -> None:
    pytest.fail(f"waits for the {part}: {error}")


async def all_of(configuration: Configuration) -> list[Step]:
    return [step async for step in migrate(configuration, wait=LONG_WAIT, waiting=nobody_waits)]


def topics(name: str) -> Sequence[str]:
    return (f"{name}.events", f"{name}.dead-letters")


async def test_everything_is_made_once_also_by_two_and_then_left(configured: Configuration) -> None:
    name = configured.collection
    both = await asyncio.gather(all_of(configured), all_of(configured))
    for storage, topic, index in both:
        assert (storage.part, topic.part, index.part) == ("storage", "topics", "index")
        assert sorted([*topic.made, *topic.there]) == sorted(topics(name))
    assert any("0001_first" in storage.made for storage, *_ in both)
    storage, topic, index = await all_of(configured)
    assert (storage.made, storage.there) == ([], ("schema",))
    assert (topic.made, sorted(topic.there)) == ([], sorted(topics(name)))
    assert (index.made, index.there) == ((), (name,))


async def test_a_server_that_is_not_up_yet_is_waited_for(configured: Configuration, own_qdrant: QdrantProcess) -> None:
    own_qdrant.kill()
    later = but(index=own_qdrant.url)
    told: list[str] = []

    def waiting(part: str, error: Unavailable) -> None:
        told.append(f"{part}: {error}")
        own_qdrant.start()

    *_, index = [step async for step in migrate(later, wait=60, waiting=waiting)]
    assert index.made == (later.collection,)
    assert len(told) == 1
    assert told[0].startswith("index: ")


@pytest.mark.usefixtures("configured")
async def test_a_wrong_password_ends_it_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match="wrong user or password"):
        await all_of(but(**WRONG))
    assert time.monotonic() - began < AT_ONCE


@pytest.mark.parametrize(
    ("setting", "address", "kind"),
    [
        ("store", "cql://127.0.0.1:{}/app", StorageUnavailable),
        ("kafka__bootstrap_servers", "127.0.0.1:{}", TransportUnavailable),
        ("index", "http://127.0.0.1:{}", IndexUnavailable),
    ],
)
@pytest.mark.usefixtures("configured")
async def test_the_wait_has_an_end_and_names_what_is_away(
    monkeypatch: pytest.MonkeyPatch, setting: str, address: str, kind: type[Unavailable]
) -> None:
    """The time goes on when it waits: however slow the machine is, it was told once, and the end comes after that."""
    ahead, told = 0.0, list[str]()

    def waiting(part: str, _: Unavailable) -> None:
        nonlocal ahead
        told.append(part)
        ahead = LONG_WAIT

    real = time.monotonic
    monkeypatch.setattr(migrating, "time", SimpleNamespace(monotonic=lambda: real() + ahead))
    with pytest.raises(kind) as ended:
        [step async for step in migrate(but(**{setting: address.format(*free_ports(1))}), wait=LONG_WAIT, waiting=waiting)]
    assert "127.0.0.1" in str(ended.value)
    assert len(told) == 1
