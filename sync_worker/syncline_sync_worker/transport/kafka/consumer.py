"""The worker's side of Kafka: batches of records to the handler, and no offset committed before their effect is durable."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, assert_never

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from faststream.kafka.message import KafkaMessage

from syncline_contracts.errors import SynclineError, Unavailable
from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.handler.delivery import Undecodable
from syncline_sync_worker.handler.verdict import Done, Pause, Verdict
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.transport.backoff import Backoff, wait_for
from syncline_sync_worker.transport.kafka.connection import why_unreachable
from syncline_sync_worker.transport.kafka.errors import KAFKA, is_permanent, translate
from syncline_sync_worker.transport.kafka.records import delivery
from syncline_sync_worker.transport.kafka.settings import KafkaSettings
from syncline_sync_worker.transport.kafka.subscription import Subscription
from syncline_sync_worker.transport.kafka.topics import check_topics

log = structlog.get_logger(__name__)


class Handles(Protocol):
    """The one method of the handler that the consumer calls."""

    async def handle(self, deliveries: Sequence[Delivery | Undecodable]) -> Verdict:
        """Handle a batch; Done once every effect is durable."""


class KafkaConsumer:
    """Feeds a handler from the events' topic, one batch at a time, until told to stop.

    A batch's offsets are committed after the verdict Done, and never those of a batch that is not done: such a batch is rewound
    before anything else is polled, for a commit takes every partition's position along (architecture, invariant 6).

    Pause: the batch is rewound, its partitions and all others are paused, and polling goes on, which keeps the membership in the
    group however long the outage. After a while they are resumed, and the batch that comes again is the probe.

    A rebalance waits for the batch under way, `revoke_within` at most; what another worker has taken over by then is handled twice,
    which is harmless (invariant 12).
    """

    def __init__(self, handler: Handles, settings: KafkaSettings, *, metrics: Metrics | None = None) -> None:
        self._handler = handler
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._probes = Backoff(settings.consumer.first_probe, settings.consumer.longest_probe)
        self._batch = asyncio.Lock()
        self._subscription: Subscription | None = None
        self._paused: Unavailable | None = None
        self._pausing = asyncio.Event()
        self._error: BaseException | None = None
        self._over = asyncio.Event()
        self.rebalances = 0
        """How often the group has given this worker its partitions."""

    @property
    def paused(self) -> Unavailable | None:
        """Why nothing is consumed now; None while something is."""
        return self._paused

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions that this worker has now."""
        consumer = None if self._subscription is None else self._subscription.consumer
        return frozenset() if consumer is None else frozenset(partition.partition for partition in consumer.assignment())

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; then finish the batch under way, commit, leave the group and return.

        Waits for a Kafka that is away. What ends it early is an error that waiting cannot mend: ConfigurationError, or whatever the
        handler raised.
        """
        backoff = Backoff(self._settings.consumer.first_probe, self._settings.consumer.longest_probe)
        while not stop.is_set():
            try:
                await check_topics(self._settings)
                await self._consume(stop)
            except Unavailable as error:
                log.warning("cannot consume; trying again", error=str(error))
                await wait_for(stop, backoff.next(error.retry_after))

    # ------------------------------------------------------------------ from start to stop

    async def _consume(self, stop: asyncio.Event) -> None:
        self._error, self._paused = None, None
        self._metrics.consuming(paused=False)
        self._over.clear()
        self._pausing.clear()
        subscription = self._subscription = Subscription(self._settings, self._take, listener=self, failed=self._failed)
        consuming = asyncio.create_task(self._start_and_probe(subscription))
        ends = [consuming, asyncio.create_task(stop.wait()), asyncio.create_task(self._over.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            await subscription.broker.stop()
            self._subscription = None
        if self._error is not None:
            raise self._error
        if not consuming.cancelled():
            consuming.result()

    async def _start_and_probe(self, subscription: Subscription) -> None:
        try:
            await subscription.broker.start()
        except KAFKA as error:
            raise await why_unreachable(self._settings, "consume from Kafka", error) from error
        log.info("consuming", topic=self._settings.events.name, group=self._settings.consumer.group, partitions=sorted(self.assigned))
        while True:
            await self._pausing.wait()
            await asyncio.sleep(self._probes.next(None if self._paused is None else self._paused.retry_after))
            self._resume(subscription.consumer)

    def _failed(self, error: BaseException) -> None:
        """Told of every error of the polling, which goes on by itself; what waiting cannot mend ends the run."""
        if is_permanent(error):
            self._end(translate(error, "consume from Kafka"))
        elif not isinstance(error, (*KAFKA, SynclineError)):
            self._end(error)

    def _end(self, error: BaseException) -> None:
        """Nothing is handled or committed from here on."""
        self._error = self._error or error
        self._over.set()

    # ------------------------------------------------------------------ one batch

    async def _take(self, message: KafkaMessage) -> None:
        """FastStream would log an error and go on, and the next commit would skip the batch: so any error ends the run."""
        async with self._batch:
            if self._error is not None:
                return
            try:
                await self._handle(message)
            except Exception as error:  # noqa: BLE001 - see above
                self._end(error)

    async def _handle(self, message: KafkaMessage) -> None:
        verdict = await self._handler.handle([delivery(record) for record in message.raw_message])
        match verdict:
            case Done():
                self._probes.reset()
                await self._acknowledge(message)
            case Pause(reason):
                self._rewind(message)
                self._pause(message.consumer, reason)
            case _:
                assert_never(verdict)

    async def _acknowledge(self, message: KafkaMessage) -> None:
        try:
            await message.ack()
        except (CommitFailedError, IllegalStateError):
            log.info("a rebalance took a batch that was done; it comes again", records=len(message.raw_message))
        except KAFKA as error:
            log.warning("offsets were not committed; the next batch's commit takes them along", error=repr(error))
            self._failed(error)

    def _rewind(self, message: KafkaMessage) -> None:
        """Go back to the first record of each partition that is still ours; where it is not, its committed offset stands."""
        consumer: Any = message.consumer
        first: dict[TopicPartition, int] = {}
        for record in message.raw_message:
            partition = TopicPartition(record.topic, record.partition)
            first[partition] = min(record.offset, first.get(partition, record.offset))
        assigned = consumer.assignment()
        for partition, offset in first.items():
            if partition in assigned:
                consumer.seek(partition, offset)

    # ------------------------------------------------------------------ pausing

    def _pause(self, consumer: Any, reason: Unavailable) -> None:
        self._paused = reason
        self._metrics.consuming(paused=True)
        self._pausing.set()
        consumer.pause(*consumer.assignment())

    def _resume(self, consumer: Any) -> None:
        log.info("probing whether what was out answers", was=str(self._paused))
        self._paused = None
        self._metrics.consuming(paused=False)
        self._pausing.clear()
        consumer.resume(*consumer.assignment())

    # ------------------------------------------------------------------ rebalances (aiokafka's listener)

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Let the batch under way be done and committed first."""
        if not revoked:
            return
        try:
            async with asyncio.timeout(self._settings.consumer.revoke_within):
                async with self._batch:
                    pass
        except TimeoutError:
            log.warning("a rebalance does not wait for the batch under way; another worker may handle it too", partitions=len(revoked))

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """While consumption pauses, new partitions pause too."""
        self.rebalances += 1
        self._metrics.assigned(len(assigned))
        if self._paused is not None and self._subscription is not None and assigned:
            self._subscription.consumer.pause(*assigned)
