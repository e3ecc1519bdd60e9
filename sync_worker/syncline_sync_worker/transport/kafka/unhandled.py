"""What the reconciler asks of Kafka: which events are published and not handled yet."""

import asyncio
from collections.abc import Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from syncline_contracts.identity import Ref
from syncline_sync_worker.transport.kafka.lag import LONGEST, looking, read_lag
from syncline_sync_worker.transport.kafka.settings import KafkaSettings


class KafkaUnhandled:
    """The records between what the group has committed and the end of the topic (`reconcile.unhandled.Unhandled`).

    Offsets are committed after the effect is durable, so whatever is committed shows in an index that is read afterwards.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    async def oldest(self) -> int | None:
        """When the oldest change was made that the first unhandled record of a partition speaks of (µs), None without any."""
        return (await read_lag(self._settings)).oldest

    async def among(self, refs: Collection[Ref]) -> set[Ref]:
        """Those of the documents that an unhandled record speaks of: its key is the document's id.

        Reads all of them, up to what is the end now. Memory: the documents asked for, and a fetch.
        """
        wanted = {ref.document.bytes: ref for ref in refs}
        found: set[bytes] = set()
        async with looking(self._settings) as (consumer, behind):
            if behind:
                await _read_keys(consumer, behind, wanted, found)
        return {wanted[key] for key in found}


async def _read_keys(
    consumer: AIOKafkaConsumer, behind: Mapping[TopicPartition, range], wanted: Mapping[bytes, Ref], found: set[bytes]
) -> None:
    consumer.assign(list(behind))
    for partition, span in behind.items():
        consumer.seek(partition, span.start)
    left = set(behind)
    while left and len(found) < len(wanted):
        async with asyncio.timeout(LONGEST):
            while not (records := await consumer.getmany(*left, timeout_ms=500)):
                left = {partition for partition in left if await consumer.position(partition) < behind[partition].stop}
                if not left:
                    return
        found.update(record.key for batch in records.values() for record in batch if record.key in wanted)
        left = {partition for partition in left if await consumer.position(partition) < behind[partition].stop}
