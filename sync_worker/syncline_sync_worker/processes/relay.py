"""The relay as a process: the storage's outbox on one side, Kafka on the other."""

import asyncio
from collections.abc import Sequence

from syncline_contracts.errors import Unavailable
from syncline_store.engines.protocol import OutboxRow
from syncline_store.parts import Parts, open_parts
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.processes.serving import Frame, process
from syncline_sync_worker.processes.trouble import Trouble
from syncline_sync_worker.processes.waiting import look_after, patiently
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport import Publisher
from syncline_sync_worker.transport.backoff import unless
from syncline_sync_worker.transport.kafka import KafkaSettings
from syncline_sync_worker.transport.kafka.publisher import KafkaPublisher
from syncline_sync_worker.transport.kafka.topics import check_topics


async def run_relay(configuration: Configuration, stop: asyncio.Event) -> None:
    """Publish until the stop; then publish what is there, let go of the leases, and return.

    Waits for a storage and a Kafka that are away. Opens no index and no embedding model. Raises ConfigurationError for what waiting
    cannot mend.
    """
    async with process("relay", configuration, stop) as frame:
        parts = await unless(stop, _open(configuration, frame))
        if parts is None:
            return
        trouble = Trouble("nothing is published")
        publisher = _Noted(KafkaPublisher(frame.kafka), trouble)
        frame.opened.push_async_callback(publisher.aclose)
        relay = Relay(parts.engine, publisher, clock=parts.clock, settings=configuration.relay, metrics=frame.metrics)
        frame.started(trouble.reasons)
        storage, transport = _names(configuration, frame.kafka)
        looks = {storage: parts.engine.clock, transport: lambda: check_topics(frame.kafka)}
        async with asyncio.TaskGroup() as group:
            group.create_task(relay.run(stop))
            group.create_task(look_after(looks, frame.health, stop))


async def _open(configuration: Configuration, frame: Frame) -> Parts:
    storage, transport = _names(configuration, frame.kafka)
    parts = await patiently(storage, lambda: open_parts(configuration), frame.health)
    frame.opened.push_async_callback(parts.aclose)
    await patiently(transport, lambda: check_topics(frame.kafka), frame.health)
    return parts


def _names(configuration: Configuration, kafka: KafkaSettings) -> tuple[str, str]:
    return f"the storage {configuration.store}", f"Kafka at {kafka.bootstrap_servers}"


class _Noted:
    """A publisher whose failures are noted: a broker may answer, and yet take no events."""

    def __init__(self, publisher: Publisher, trouble: Trouble) -> None:
        self._publisher = publisher
        self._trouble = trouble

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        """The publisher's."""
        try:
            await self._publisher.publish(rows)
        except Unavailable as error:
            self._trouble.failed(error)
            raise
        if rows:
            self._trouble.worked()

    async def aclose(self) -> None:
        """The publisher's."""
        await self._publisher.aclose()
