"""Topics, credentials and sizes on a real Kafka: what is wrong is said at once, and nothing is made by accident."""

import asyncio
import json
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from pydantic import SecretStr

from syncline_contracts.errors import ConfigurationError, TransportUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_sync_worker.transport.kafka import KafkaSecurity, KafkaSettings, TopicSettings
from syncline_sync_worker.transport.kafka.connection import client_options
from syncline_sync_worker.transport.kafka.consumer import KafkaConsumer
from syncline_sync_worker.transport.kafka.publisher import KafkaPublisher
from syncline_sync_worker.transport.kafka.topics import check_topics, ensure_topics
from tests.parts.consuming import Recording
from tests.parts.servers.kafka import PASSWORD, USER, KafkaProcess, KafkaServer
from tests.parts.servers.maven import free_ports
from tests.parts.topics import kafka_settings, records

AT_ONCE = 30.0
"""Seconds in which what is wrong must be said, on a busy machine."""
WRONG = "not-the-password"


def row(key: str = "k", namespace: tuple[str, ...] = ("n",)) -> OutboxRow:
    return OutboxRow(0, Pos(1), ChangeEvent.of(Ref("t", namespace, key), 64, Kind.WRITE, first_at=1))


async def everything(settings: KafkaSettings) -> None:
    """Each way in, with settings under which none works."""
    started = time.monotonic()
    for attempt in (check_topics(settings), publish(settings), KafkaConsumer(Recording(), settings).run(asyncio.Event())):
        with pytest.raises(ConfigurationError) as caught:
            await attempt
        assert WRONG not in str(caught.value)
    assert time.monotonic() - started < AT_ONCE


async def publish(settings: KafkaSettings, *rows: OutboxRow) -> None:
    publisher = KafkaPublisher(settings)
    try:
        await publisher.publish(rows or [row()])
    finally:
        await publisher.aclose()


async def test_they_are_made_as_the_settings_say_and_once(kafka: KafkaServer) -> None:
    settings = kafka_settings(kafka.address, partitions=5)
    made = await asyncio.gather(*(ensure_topics(settings) for _ in range(3)))
    assert sorted(name for names in made for name in names) == sorted([settings.events.name, settings.dead_letters.name])
    assert await check_topics(settings) == {settings.events.name: 5, settings.dead_letters.name: 1}
    configs = await _configs(settings, settings.events.name)
    assert configs["retention.ms"] == str(7 * 24 * 3600 * 1000)
    assert configs["min.insync.replicas"] == "1"
    assert configs["cleanup.policy"] == "delete"


async def test_a_missing_topic_is_told_and_not_made(kafka: KafkaServer) -> None:
    """The broker makes any topic that a client asks for: nobody does."""
    settings = kafka_settings(kafka.address)
    await everything(settings)
    with pytest.raises(ConfigurationError, match=f"'{settings.events.name}' does not exist: run `syncline migrate`"):
        await check_topics(settings)


async def test_too_few_partitions_are_refused(kafka: KafkaServer) -> None:
    settings = kafka_settings(kafka.address, partitions=2)
    await ensure_topics(settings)
    more = settings.model_copy(update={"events": settings.events.model_copy(update={"partitions": 3})})
    with pytest.raises(ConfigurationError, match="has 2 partitions, the settings ask for 3"):
        await ensure_topics(more)
    await everything(more)
    fewer = settings.model_copy(update={"events": settings.events.model_copy(update={"partitions": 1})})
    assert (await check_topics(fewer))[settings.events.name] == 2


async def test_more_replicas_than_brokers_are_refused(kafka: KafkaServer) -> None:
    settings = kafka_settings(kafka.address)
    many = settings.model_copy(update={"events": settings.events.model_copy(update={"replication": 30})})
    with pytest.raises(ConfigurationError, match="cannot have 30 replicas"):
        await ensure_topics(many)


async def test_a_wrong_password_is_told_at_once(own_kafka: KafkaProcess) -> None:
    right = KafkaSecurity(protocol="SASL_PLAINTEXT", mechanism="PLAIN", username=USER, password=SecretStr(PASSWORD))
    settings = kafka_settings(own_kafka.sasl_address).model_copy(update={"security": right})
    await ensure_topics(settings)
    await publish(settings)
    wrong = right.model_copy(update={"password": SecretStr(WRONG)})
    await everything(settings.model_copy(update={"security": wrong}))
    another = right.model_copy(update={"mechanism": "SCRAM-SHA-256"})
    await everything(settings.model_copy(update={"security": another}))


async def test_a_certificate_that_nobody_vouches_for_is_told_at_once(own_kafka: KafkaProcess) -> None:
    settings = kafka_settings(own_kafka.tls_address)
    vouched = settings.model_copy(update={"security": KafkaSecurity(protocol="SSL", ca_file=own_kafka.ca_file)})
    await ensure_topics(vouched)
    await publish(vouched)
    await everything(settings.model_copy(update={"security": KafkaSecurity(protocol="SSL")}))


async def test_tls_where_there_is_none_is_told_at_once(kafka: KafkaServer) -> None:
    settings = kafka_settings(kafka.address)
    with pytest.raises((ConfigurationError, TransportUnavailable)):
        await check_topics(settings.model_copy(update={"security": KafkaSecurity(protocol="SSL")}))


async def test_no_server_is_unavailable(kafka: KafkaServer) -> None:
    (port,) = free_ports(1)
    settings = kafka_settings(f"127.0.0.1:{port}")
    with pytest.raises(TransportUnavailable):
        await ensure_topics(settings)
    with pytest.raises(TransportUnavailable):
        await publish(settings)


async def test_the_first_server_may_be_out(kafka: KafkaServer) -> None:
    (port,) = free_ports(1)
    settings = kafka_settings(f"127.0.0.1:{port},{kafka.address}")
    await ensure_topics(settings)
    await publish(settings)


async def test_a_record_that_is_too_large_is_told_and_others_follow(kafka: KafkaServer) -> None:
    """The refused batch leaves a gap in the sequence that the broker counts; a new producer has no gap."""
    settings = kafka_settings(kafka.address, partitions=1)
    small = settings.model_copy(update={"events": settings.events.model_copy(update={"largest_record": 2000})})
    await ensure_topics(small)
    publisher = KafkaPublisher(settings)
    try:
        await publisher.publish([row("before")])
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=r"max\.message\.bytes"):
                await publisher.publish([row("large", ("x" * 250,) * 9)])
            await publisher.publish([row("after")])
    finally:
        await publisher.aclose()
    assert len(await records(settings, settings.events.name)) == 3


async def test_calls_beside_one_that_is_refused_all_end_well(kafka: KafkaServer) -> None:
    """They wait for their turn in a session that the refused batch ends."""
    settings = kafka_settings(kafka.address, partitions=1)
    await ensure_topics(settings.model_copy(update={"events": settings.events.model_copy(update={"largest_record": 2000})}))
    publisher = KafkaPublisher(settings)

    async def until_published(one: OutboxRow) -> None:
        while True:
            try:
                return await publisher.publish([one])
            except (ConfigurationError, TransportUnavailable):
                await asyncio.sleep(0.01)

    try:
        async with asyncio.timeout(AT_ONCE):
            for turn in range(5):
                small = [until_published(row(f"{turn}-{number}")) for number in range(20)]
                large = publisher.publish([row("large", ("x" * 250,) * 9)])
                outcomes = await asyncio.gather(large, *small, return_exceptions=True)
                assert isinstance(outcomes[0], ConfigurationError)
                assert outcomes[1:] == [None] * 20
        assert publisher.under_way == 0
    finally:
        await publisher.aclose()
    keys = {json.loads(record.value)["key"] for record in await records(settings, settings.events.name)}
    assert keys == {f"{turn}-{number}" for turn in range(5) for number in range(20)}


async def test_a_topic_that_was_deleted_is_told(kafka: KafkaServer) -> None:
    settings = kafka_settings(kafka.address)
    await ensure_topics(settings)
    await _delete(settings, settings.events)
    await everything(settings)


async def _delete(settings: KafkaSettings, topic: TopicSettings) -> None:
    client = AIOKafkaAdminClient(**client_options(settings))
    await client.start()
    try:
        await client.delete_topics([topic.name])
        async with asyncio.timeout(AT_ONCE):
            while topic.name in await client.list_topics():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
    finally:
        await client.close()


async def _configs(settings: KafkaSettings, topic: str) -> dict[str, str]:
    client = AIOKafkaAdminClient(**client_options(settings))
    await client.start()
    try:
        (response,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return {entry[0]: entry[1] for entry in response.resources[0][4]}
    finally:
        await client.close()
