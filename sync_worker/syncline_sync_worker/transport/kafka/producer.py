"""Records out: idempotent, acknowledged by all replicas in sync, bounded, and each at most once under way."""

import asyncio
from collections.abc import Coroutine, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from syncline_contracts.errors import ConfigurationError, SynclineError, TransportUnavailable
from syncline_sync_worker.transport.kafka.connection import client_options, why_unreachable
from syncline_sync_worker.transport.kafka.errors import KAFKA, translate
from syncline_sync_worker.transport.kafka.partitions import partitions_of
from syncline_sync_worker.transport.kafka.settings import KafkaSettings
from syncline_sync_worker.transport.kafka.topics import check_topics

log = structlog.get_logger(__name__)
T = TypeVar("T")

LONGEST_LOOK = 5.0
"""Seconds that finding out why Kafka does not acknowledge may take."""


class Record(NamedTuple):
    """What is sent. `place` says which record this is: the same one brought again while it is under way is not sent twice."""

    place: Hashable
    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class Producer:
    """Sends records, in batches made here: one for each partition of a call. Safe to call from several tasks at once.

    Memory is bounded: of each partition one batch is on its way and one waits, and further calls wait with theirs.

    An idempotent producer never gives a batch up while Kafka is away; it goes on trying by itself. So a call that loses patience
    leaves what it has handed over under way, and the next call that brings those records waits for them instead of sending them twice.

    A batch that failed for good leaves a gap in the sequence that the broker counts, and every later batch of that partition would be
    refused: the producer is then replaced, and the old one closed once what it still has under way has ended.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._options = client_options(settings)
        self._under_way: dict[Hashable, asyncio.Future[Any]] = {}
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    @property
    def under_way(self) -> int:
        """How many records were handed over and are not acknowledged yet."""
        return len(self._under_way)

    async def send(self, records: Sequence[Record]) -> None:
        """Return when all are acknowledged.

        Raises TransportUnavailable when that takes longer than the patience, or on closing: any of them may have been taken. Raises
        ConfigurationError for what waiting cannot mend: a missing topic, a record that is too large, a user who may not.
        """
        if records:
            await self._patiently(self._send(records))

    async def aclose(self) -> None:
        """End the waits, send what is under way if that is soon done, and let go of the connections."""
        self._closing.set()
        async with self._starting:
            self._retire()
        if self._retiring:
            await asyncio.gather(*self._retiring)

    # ------------------------------------------------------------------ one call

    async def _patiently(self, work: Coroutine[Any, Any, T]) -> T:
        patience = self._settings.producer.patience
        working, closing = asyncio.create_task(work), asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({working, closing}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return await working
        finally:
            working.cancel()
            closing.cancel()
            await asyncio.gather(working, closing, return_exceptions=True)
        if self._closing.is_set():
            raise TransportUnavailable("publishing ends: the transport is being closed")
        raise await self._why_late(patience)

    async def _why_late(self, patience: float) -> SynclineError:
        """Kafka is away, unless a look finds what waiting cannot mend."""
        try:
            async with asyncio.timeout(min(patience, LONGEST_LOOK)):
                await check_topics(self._settings)
        except ConfigurationError as why:
            return why
        except (TransportUnavailable, TimeoutError):
            pass
        return TransportUnavailable(f"Kafka at {self._settings.bootstrap_servers} did not acknowledge within {patience:g} s")

    async def _send(self, records: Sequence[Record]) -> None:
        producer = await self._started()
        known = {future for record in records if (future := self._under_way.get(record.place)) is not None}
        fresh = [record for record in records if record.place not in self._under_way]
        try:
            handing = [self._hand_over(producer, *batch) for batch in await _batches(producer, fresh)]
            sent = await _all(handing)
            await _acknowledged(known | set(sent))
        except KAFKA as error:
            if self._producer is producer:
                self._retire()
            raise translate(error, "publish to Kafka") from error

    async def _hand_over(
        self, producer: AIOKafkaProducer, topic: str, partition: int, batch: BatchBuilder, places: Sequence[Hashable]
    ) -> asyncio.Future[Any]:
        """Returns once the batch is the next of its partition; the future says what became of it."""
        sent: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=partition)
        self._under_way.update(dict.fromkeys(places, sent))
        sent.add_done_callback(lambda done: self._ended(places, done))
        return sent

    def _ended(self, places: Sequence[Hashable], done: asyncio.Future[Any]) -> None:
        for place in places:
            if self._under_way.get(place) is done:
                del self._under_way[place]
        if not done.cancelled():
            done.exception()  # a call that lost patience does not look at it any more

    # ------------------------------------------------------------------ the producer's life

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._closing.is_set():
                raise TransportUnavailable("publishing ends: the transport is being closed")
            if self._producer is None:
                await check_topics(self._settings)
                self._producer = await self._start()
            return self._producer

    async def _start(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=True,
            max_batch_size=self._settings.producer.max_batch_bytes,
        )
        try:
            await producer.start()
        except KAFKA as error:
            await producer.stop()
            raise await why_unreachable(self._settings, "connect to Kafka", error) from error
        except BaseException:
            await producer.stop()
            raise
        return producer

    def _retire(self) -> None:
        """The next call begins with a new producer."""
        if self._producer is not None:
            closing = asyncio.create_task(self._end(self._producer))
            self._retiring.add(closing)
            closing.add_done_callback(self._retiring.discard)
            self._producer = None

    async def _end(self, producer: AIOKafkaProducer) -> None:
        """Stop it once what it has under way has ended, or at the latest `stop_within` after closing has begun."""
        stopping = asyncio.create_task(producer.stop())
        closing = asyncio.create_task(self._closing.wait())
        await asyncio.wait({stopping, closing}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({stopping}, timeout=self._settings.producer.stop_within)
        if not stopping.done():
            log.warning("closing with records under way; they stay in the outbox", records=self.under_way)
            await _abandon(producer)
        stopping.cancel()
        closing.cancel()
        await asyncio.gather(stopping, closing, return_exceptions=True)


async def _abandon(producer: AIOKafkaProducer) -> None:
    """End it without its acknowledgements. aiokafka has no way to: its `stop` waits for them."""
    sender = producer._sender.sender_task  # noqa: SLF001 - see above
    await producer.client.close()
    while sender is not None and not sender.done():
        sender.cancel()
        await asyncio.wait({sender}, timeout=0.05)


Batch = tuple[str, int, BatchBuilder, Sequence[Hashable]]


async def _batches(producer: AIOKafkaProducer, records: Iterable[Record]) -> list[Batch]:
    """The records of each partition, in their order, in as few batches as their size allows."""
    by_topic: dict[str, list[Record]] = {}
    for record in records:
        by_topic.setdefault(record.topic, []).append(record)
    batches: list[Batch] = []
    for topic, own in by_topic.items():
        count = len(await producer.partitions_for(topic))
        batches += _batches_of_topic(producer, topic, own, partitions_of([record.key for record in own], count))
    return batches


def _batches_of_topic(producer: AIOKafkaProducer, topic: str, records: Sequence[Record], partitions: Sequence[int]) -> list[Batch]:
    full: list[Batch] = []
    filling: dict[int, tuple[BatchBuilder, list[Hashable]]] = {}
    for record, partition in zip(records, partitions, strict=True):
        builder, places = filling.get(partition) or filling.setdefault(partition, (producer.create_batch(), []))
        if builder.append(timestamp=None, key=record.key, value=record.value, headers=record.headers) is None:
            full.append((topic, partition, builder, places))
            builder, places = filling[partition] = producer.create_batch(), []
            builder.append(timestamp=None, key=record.key, value=record.value, headers=record.headers)  # a batch takes one of any size
        places.append(record.place)
    return [*full, *((topic, partition, *batch) for partition, batch in filling.items())]


async def _all(handing: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Side by side; the first error ends the others and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in handing]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def _acknowledged(sent: set[asyncio.Future[Any]]) -> None:
    if sent:
        done, _ = await asyncio.wait(sent, return_when=asyncio.FIRST_EXCEPTION)
        for future in done:
            future.result()
