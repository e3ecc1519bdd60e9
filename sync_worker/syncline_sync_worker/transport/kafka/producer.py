"""Records out: idempotent, acknowledged by all replicas in sync, bounded, and each at most once under way."""

import asyncio
from collections.abc import Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaProducer

from syncline_contracts.errors import ConfigurationError, SynclineError, TransportUnavailable
from syncline_sync_worker.transport.kafka.connection import client_options, why_unreachable
from syncline_sync_worker.transport.kafka.errors import KAFKA, translate
from syncline_sync_worker.transport.kafka.settings import KafkaSettings
from syncline_sync_worker.transport.kafka.topics import check_topics

log = structlog.get_logger(__name__)
T = TypeVar("T")

REQUEST_OVERHEAD = 65_536
"""Bytes by which a request may be larger than the one record in it."""
LONGEST_LOOK = 5.0
"""Seconds that finding out why Kafka does not acknowledge may take."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is sent. `place` says which record this is: the same one brought again while it is under way is not sent twice."""

    place: Hashable
    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class Producer:
    """Sends records. Safe to call from several tasks at once.

    An idempotent producer never gives a batch up while Kafka is away; it goes on trying by itself. So a call that loses patience
    leaves its records under way, and the next call that brings them waits for those. At most `in_flight` records are under way, whatever
    became of the calls that brought them: memory is bounded in an outage of any length.

    A batch that failed for good leaves a gap in the sequence that the broker counts, and every later batch of that partition would be
    refused: the producer is then replaced, and the old one closed once what it still has under way has ended.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._options = client_options(settings)
        self._slots = asyncio.Semaphore(settings.producer.in_flight)
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
        try:
            acknowledged = _Acknowledged(len(records))
            for record in records:
                acknowledged.wait_for(await self._hand_over(producer, record))
            await acknowledged.all()
        except KAFKA as error:
            if self._producer is producer:
                self._retire()
            raise translate(error, "publish to Kafka") from error

    async def _hand_over(self, producer: AIOKafkaProducer, record: Record) -> asyncio.Future[Any]:
        if (under_way := self._under_way.get(record.place)) is not None:
            return under_way
        await self._slots.acquire()
        try:
            sent: asyncio.Future[Any] = await producer.send(record.topic, record.value, key=record.key, headers=record.headers)
        except BaseException:
            self._slots.release()
            raise
        self._under_way[record.place] = sent
        sent.add_done_callback(lambda done: self._ended(record.place, done))
        return sent

    def _ended(self, place: Hashable, done: asyncio.Future[Any]) -> None:
        self._slots.release()
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
        largest = max(self._settings.events.largest_record, self._settings.dead_letters.largest_record)
        producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=True,
            max_batch_size=self._settings.producer.max_batch_bytes,
            linger_ms=int(self._settings.producer.linger * 1000),
            max_request_size=largest + REQUEST_OVERHEAD,
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


class _Acknowledged:
    """Waits for many futures with one callback each; the first error ends the wait."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._over = asyncio.Event()
        self._error: BaseException | None = None

    def wait_for(self, future: asyncio.Future[Any]) -> None:
        future.add_done_callback(self._note)

    async def all(self) -> None:
        await self._over.wait()
        if self._error is not None:
            raise self._error

    def _note(self, done: asyncio.Future[Any]) -> None:
        self._left -= 1
        self._error = self._error or (TransportUnavailable("the producer was stopped") if done.cancelled() else done.exception())
        if self._error is not None or self._left == 0:
            self._over.set()
