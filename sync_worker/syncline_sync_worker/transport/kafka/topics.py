"""The topics: made by `ensure_topics`, looked at by everything that starts, never made by accident.

A broker may be set to make a topic when a client so much as asks for it by name. So existence is looked up in the list of all
topics, before any client is told a name.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidReplicationFactorError, NoError, TopicAlreadyExistsError, for_code

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.transport.kafka.connection import client_options, why_unreachable
from syncline_sync_worker.transport.kafka.errors import KAFKA, translate
from syncline_sync_worker.transport.kafka.settings import KafkaSettings, TopicSettings

LOOKS = (0.0, 0.3, 1.0)
"""Seconds before each look for a topic: one that was made just now is not known to every broker yet."""


async def ensure_topics(settings: KafkaSettings) -> Sequence[str]:
    """Make the topics that are missing; gives their names. Safe with two at once.

    What exists is left as it is. Raises ConfigurationError where a topic has too few partitions, cannot be made as asked, or this user
    may not make it; TransportUnavailable while Kafka does not answer.
    """
    wanted = (settings.events, settings.dead_letters)
    async with _admin(settings, "make the topics") as client:
        missing = [topic for topic in wanted if topic.name not in await _partitions(client)]
        made = await _create(client, missing) if missing else []
    await check_topics(settings)
    return made


async def check_topics(settings: KafkaSettings) -> Mapping[str, int]:
    """The partitions of Syncline's topics, by name. Raises what `ensure_topics` raises; makes nothing."""
    wanted = (settings.events, settings.dead_letters)
    async with _admin(settings, "look at the topics") as client:
        found: Mapping[str, int] = {}
        for pause in LOOKS:
            await asyncio.sleep(pause)
            found = await _partitions(client)
            if all(found.get(topic.name, 0) >= topic.partitions for topic in wanted):
                break
    for topic in wanted:
        _refuse(topic, found.get(topic.name))
    return {topic.name: found[topic.name] for topic in wanted}


def _refuse(topic: TopicSettings, partitions: int | None) -> None:
    if partitions is None:
        raise ConfigurationError(
            f"the topic {topic.name!r} does not exist: run `syncline migrate`, or name an existing one in the settings"
        )
    if partitions < topic.partitions:
        raise ConfigurationError(
            f"the topic {topic.name!r} has {partitions} partitions, the settings ask for {topic.partitions}: say so in the settings, "
            "or use a new topic (adding partitions to this one sends a document's later events elsewhere than its earlier ones)"
        )


async def _create(client: AIOKafkaAdminClient, topics: Sequence[TopicSettings]) -> list[str]:
    response = await client.create_topics([_new(topic) for topic in topics])
    by_name = {topic.name: topic for topic in topics}
    made = []
    for name, code, message, *_ in response.topic_errors:
        error = for_code(code)
        if error is NoError:
            made.append(name)
        elif error is InvalidReplicationFactorError:
            asked = by_name[name].replication
            raise ConfigurationError(
                f"the topic {name!r} cannot have {asked} replicas ({message}): set replication to the brokers there are"
            )
        elif error is not TopicAlreadyExistsError:
            raise translate(error(message or ""), f"make the topic {name!r}")
    return made


def _new(topic: TopicSettings) -> NewTopic:
    configs = {
        "cleanup.policy": "delete",
        "retention.ms": str(int(topic.retention * 1000)),
        "min.insync.replicas": str(topic.min_insync),
        "max.message.bytes": str(topic.largest_record),
    }
    return NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=configs)


async def _partitions(client: AIOKafkaAdminClient) -> Mapping[str, int]:
    """Of all topics: asking for some by name could make them."""
    topics: list[dict[str, Any]] = await client.describe_topics()
    return {topic["topic"]: len(topic["partitions"]) for topic in topics if topic["error_code"] == 0}


@asynccontextmanager
async def _admin(settings: KafkaSettings, doing: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**client_options(settings))
    try:
        await client.start()
        yield client
    except KAFKA as error:
        raise await why_unreachable(settings, doing, error) from error
    finally:
        await client.close()
