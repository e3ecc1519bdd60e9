"""Topics of a test's own on a real Kafka, and what stands in them."""

import asyncio
import uuid
from typing import Any

import tenacity
from aiokafka import AIOKafkaConsumer, TopicPartition

from syncline_contracts.errors import TransportUnavailable
from syncline_sync_worker.transport.kafka import (
    ConsumerSettings,
    DeadLetterTopicSettings,
    EventTopicSettings,
    KafkaSettings,
    ProducerSettings,
)
from syncline_sync_worker.transport.kafka.connection import client_options
from syncline_sync_worker.transport.kafka.topics import check_topics, ensure_topics

PATIENCE = 30.0


def kafka_settings(
    address: str, *, partitions: int = 3, producer: ProducerSettings | None = None, consumer: ConsumerSettings | None = None
) -> KafkaSettings:
    """Names that no other test has; a single broker's replication."""
    name = uuid.uuid4().hex[:12]
    group = consumer or ConsumerSettings(session_timeout=6.0, heartbeat=0.5, first_probe=0.1, longest_probe=0.5)
    return KafkaSettings(
        bootstrap_servers=address,
        events=EventTopicSettings(name=f"events-{name}", partitions=partitions, replication=1),
        dead_letters=DeadLetterTopicSettings(name=f"dead-letters-{name}", partitions=1, replication=1),
        producer=producer or ProducerSettings(),
        consumer=group.model_copy(update={"group": f"workers-{name}"}),
        request_timeout=5.0,
    )


patiently = tenacity.retry(
    retry=tenacity.retry_if_exception_type(TransportUnavailable),
    wait=tenacity.wait_fixed(0.2),
    stop=tenacity.stop_after_delay(PATIENCE),
    reraise=True,
)
"""A broker that was just started or thawed knows no node for a moment."""


@patiently
async def make_topics(settings: KafkaSettings) -> None:
    """Make them, as soon as the broker can."""
    await ensure_topics(settings)


async def records(settings: KafkaSettings, topic: str) -> list[Any]:
    """All that stands in a topic now, partition by partition in order."""
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE):
            names = await _partitions(settings, topic)
            consumer.assign(names)
            await consumer.seek_to_beginning(*names)
            ends = await consumer.end_offsets(names)
            found: list[Any] = []
            while [name for name in names if await consumer.position(name) < ends[name]]:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += batch
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def committed(settings: KafkaSettings) -> dict[int, int]:
    """The group's offsets in the events' topic, by partition; 0 where nothing was committed."""
    consumer = AIOKafkaConsumer(**client_options(settings), group_id=settings.consumer.group, enable_auto_commit=False)
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE):
            names = await _partitions(settings, settings.events.name)
            return {name.partition: await consumer.committed(name) or 0 for name in names}
    finally:
        await consumer.stop()


@patiently
async def _partitions(settings: KafkaSettings, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range((await check_topics(settings))[topic])]
