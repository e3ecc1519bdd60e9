"""Kafka: the brokers, the topics as they are, and how far the workers are behind."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from syncline_sync_worker.doctor.finding import Finding, ok, warn
from syncline_sync_worker.doctor.topics import Topic, lag_verdict, topic_verdicts
from syncline_sync_worker.transport.kafka.connection import client_options, why_unreachable
from syncline_sync_worker.transport.kafka.errors import KAFKA
from syncline_sync_worker.transport.kafka.lag import read_lag
from syncline_sync_worker.transport.kafka.settings import KafkaSettings, TopicSettings


async def look(settings: KafkaSettings) -> AsyncGenerator[Finding, None]:
    """Raises TransportUnavailable, ConfigurationError."""
    wanted = (settings.events, settings.dead_letters)
    async with _admin(settings) as client:
        brokers = (await client.describe_cluster())["brokers"]
        yield brokers_verdict(brokers, settings)
        yield auto_create_verdict(await _configs(client, ConfigResourceType.BROKER, str(brokers[0]["node_id"])))
        found = await _topics(client, wanted)
    for topic in wanted:
        for finding in topic_verdicts(topic, found.get(topic.name)):
            yield finding
    if all(topic.name in found and found[topic.name].partitions >= topic.partitions for topic in wanted):
        lag = await read_lag(settings)
        age = None if lag.oldest is None else time.time() - lag.oldest / 1e6
        yield lag_verdict(settings.consumer.group, lag.records, age, settings.events.retention)


def brokers_verdict(brokers: Sequence[Mapping[str, Any]], settings: KafkaSettings) -> Finding:
    """Enough of them for the copies that are asked for."""
    said = f"{len(brokers)} broker{'' if len(brokers) == 1 else 's'}: " + ", ".join(
        f"{broker['host']}:{broker['port']}" for broker in brokers
    )
    copies = max(settings.events.replication, settings.dead_letters.replication)
    if len(brokers) < copies:
        return warn("brokers", f"{said}; the settings ask for {copies} replicas", "bring the brokers back, or ask for fewer replicas")
    return ok("brokers", said)


def auto_create_verdict(configs: Mapping[str, str | None]) -> Finding:
    """A broker that makes topics by itself makes a deleted one anew, with one partition and one replica."""
    said = configs.get("auto.create.topics.enable")
    if said is None:
        return ok("auto-create", "not to be read with this user's rights")
    if said == "true":
        return warn("auto-create", "the brokers make any topic that is asked for", "set auto.create.topics.enable=false")
    return ok("auto-create", "off")


async def _topics(client: AIOKafkaAdminClient, wanted: Sequence[TopicSettings]) -> Mapping[str, Topic]:
    """Of the list of all: a topic that is asked for by name might be made."""
    names = [topic.name for topic in wanted]
    there = {found["topic"]: found["partitions"] for found in await client.describe_topics() if found["topic"] in names}
    return {
        name: Topic(
            partitions=len(partitions),
            replicas=min((len(partition["replicas"]) for partition in partitions), default=0),
            in_sync=min((len(partition["isr"]) for partition in partitions), default=0),
            configs=await _configs(client, ConfigResourceType.TOPIC, name),
        )
        for name, partitions in there.items()
    }


async def _configs(client: AIOKafkaAdminClient, kind: ConfigResourceType, name: str) -> Mapping[str, str | None]:
    """Empty where this user may not read them."""
    (response,) = await client.describe_configs([ConfigResource(kind, name)])
    return {entry[0]: entry[1] for entry in response.resources[0][4]}


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**client_options(settings))
    try:
        await client.start()
        yield client
    except KAFKA as error:
        raise await why_unreachable(settings, "look at Kafka", error) from error
    finally:
        await client.close()
