"""How far the group is behind the topic: for status, health, and the reconciler's question what may still be in flight."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from syncline_contracts.errors import ConfigurationError, Unavailable
from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.transport.backoff import wait_for
from syncline_sync_worker.transport.kafka.connection import client_options, why_unreachable
from syncline_sync_worker.transport.kafka.errors import KAFKA
from syncline_sync_worker.transport.kafka.records import delivery
from syncline_sync_worker.transport.kafka.settings import KafkaSettings
from syncline_sync_worker.transport.kafka.topics import check_topics

log = structlog.get_logger(__name__)

LONGEST = 10.0
"""Seconds that reading the first unhandled record of each partition may take."""


@dataclass(frozen=True, slots=True)
class Lag:
    """What the group has not committed, in all partitions."""

    records: int
    oldest: int | None
    """When the oldest change was made (µs since 1970) that the first uncommitted record of a partition speaks of; None without any.

    A record further back may speak of an older one, by as much as its row surfaced late or was deferred.
    """


async def read_lag(settings: KafkaSettings) -> Lag:
    """Read it, without joining the group or changing anything. Raises TransportUnavailable, ConfigurationError."""
    async with looking(settings) as (consumer, behind):
        oldest = await _oldest(consumer, {partition: span.start for partition, span in behind.items()}) if behind else None
    return Lag(records=sum(len(span) for span in behind.values()), oldest=oldest)


@asynccontextmanager
async def looking(settings: KafkaSettings) -> AsyncIterator[tuple[AIOKafkaConsumer, Mapping[TopicPartition, range]]]:
    """A consumer that is in no group, and the offsets that the group has not committed, of each partition that has any.

    Raises TransportUnavailable, ConfigurationError, for what the block raises of Kafka's errors too.
    """
    count = (await check_topics(settings))[settings.events.name]
    consumer = AIOKafkaConsumer(
        **client_options(settings), group_id=settings.consumer.group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        yield consumer, await _behind(consumer, [TopicPartition(settings.events.name, number) for number in range(count)])
    except KAFKA as error:
        raise await why_unreachable(settings, "read the group's offsets", error) from error
    finally:
        await consumer.stop()


async def watch_lag(settings: KafkaSettings, metrics: Metrics, stop: asyncio.Event, *, every: float = 30.0) -> None:
    """Tell the metrics the group's lag each `every` seconds until the stop. While Kafka is away the last one known ages on."""
    while True:
        try:
            lag = await read_lag(settings)
            metrics.behind(lag.records, lag.oldest)
        except (Unavailable, ConfigurationError) as error:
            log.warning("cannot read the group's lag", error=str(error))
        if await wait_for(stop, every):
            return


async def _behind(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> Mapping[TopicPartition, range]:
    """The commits are read first: what is committed later is seen as unhandled, and never the other way round."""
    committed = {partition: await consumer.committed(partition) or 0 for partition in partitions}
    begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    spans = {partition: range(max(offset, begins[partition]), ends[partition]) for partition, offset in committed.items()}
    return {partition: span for partition, span in spans.items() if span}  # retention may have passed the group


async def _oldest(consumer: AIOKafkaConsumer, behind: Mapping[TopicPartition, int]) -> int:
    consumer.assign(list(behind))
    for partition, offset in behind.items():
        consumer.seek(partition, offset)
    ages: dict[TopicPartition, int] = {}
    async with asyncio.timeout(LONGEST):
        while len(ages) < len(behind):
            for partition, records in (await consumer.getmany(timeout_ms=500, max_records=len(behind))).items():
                ages[partition] = _made_at(records[0])
                consumer.pause(partition)
    return min(ages.values())


def _made_at(record: object) -> int:
    decoded = delivery(record)
    published: int = getattr(record, "timestamp", 0) * 1000
    return min(decoded.event.first_at, published) if isinstance(decoded, Delivery) else published
