"""Records out: idempotent, acknowledged by all replicas in sync, bounded, and each at most once under way."""

import asyncio
from collections.abc import Coroutine, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from aiokafka.producer.message_accumulator import BatchBuilder

from syncline_contracts.errors import ConfigurationError, SynclineError, TransportUnavailable
from syncline_sync_worker.transport.kafka.errors import KAFKA, translate
from syncline_sync_worker.transport.kafka.partitions import partitions_of
from syncline_sync_worker.transport.kafka.session import Session
from syncline_sync_worker.transport.kafka.settings import KafkaSettings
from syncline_sync_worker.transport.kafka.topics import check_topics

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

    A batch that failed for good ends its session (see there); the next call begins with another.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._under_way: dict[Hashable, asyncio.Future[Any]] = {}
        self._session: Session | None = None
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
            self._retire(self._session)
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
            pass  # this look reached it no more than the records did
        return TransportUnavailable(f"Kafka at {self._settings.bootstrap_servers} did not acknowledge within {patience:g} s")

    async def _send(self, records: Sequence[Record]) -> None:
        session = await self._started()
        known = {future for record in records if (future := self._under_way.get(record.place)) is not None}
        fresh = [record for record in records if record.place not in self._under_way]
        try:
            handing = [self._hand_over(session, *batch) for batch in await _batches(session, fresh)]
            await _acknowledged(known | set(await _all(handing)))
        except KAFKA as error:
            self._retire(session)
            raise translate(error, "publish to Kafka") from error

    async def _hand_over(
        self, session: Session, topic: str, partition: int, batch: BatchBuilder, places: Sequence[Hashable]
    ) -> asyncio.Future[Any]:
        sent = await session.hand_over(topic, partition, batch)
        self._under_way.update(dict.fromkeys(places, sent))
        sent.add_done_callback(lambda done: self._ended(places, done))
        return sent

    def _ended(self, places: Sequence[Hashable], done: asyncio.Future[Any]) -> None:
        for place in places:
            if self._under_way.get(place) is done:
                del self._under_way[place]
        if not done.cancelled():
            done.exception()  # a call that lost patience does not look at it any more

    # ------------------------------------------------------------------ sessions

    async def _started(self) -> Session:
        async with self._starting:
            if self._closing.is_set():
                raise TransportUnavailable("publishing ends: the transport is being closed")
            if self._session is None:
                await check_topics(self._settings)
                self._session = await Session.start(self._settings)
            return self._session

    def _retire(self, session: Session | None) -> None:
        """The next call begins with a new session."""
        if session is not None and session is self._session:
            ending = asyncio.create_task(session.end(self._closing, self._settings.producer.stop_within))
            self._retiring.add(ending)
            ending.add_done_callback(self._retiring.discard)
            self._session = None


Batch = tuple[str, int, BatchBuilder, Sequence[Hashable]]


async def _batches(session: Session, records: Iterable[Record]) -> list[Batch]:
    """The records of each partition, in their order, in as few batches as their size allows."""
    by_topic: dict[str, list[Record]] = {}
    for record in records:
        by_topic.setdefault(record.topic, []).append(record)
    batches: list[Batch] = []
    for topic, own in by_topic.items():
        count = await session.partitions(topic)
        batches += _batches_of_topic(session, topic, own, partitions_of([record.key for record in own], count))
    return batches


def _batches_of_topic(session: Session, topic: str, records: Sequence[Record], partitions: Sequence[int]) -> list[Batch]:
    full: list[Batch] = []
    filling: dict[int, tuple[BatchBuilder, list[Hashable]]] = {}
    for record, partition in zip(records, partitions, strict=True):
        builder, places = filling.get(partition) or filling.setdefault(partition, (session.batch(), []))
        if builder.append(timestamp=None, key=record.key, value=record.value, headers=record.headers) is None:
            full.append((topic, partition, builder, places))
            builder, places = filling[partition] = session.batch(), []
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
            if future.cancelled():
                raise TransportUnavailable("the producer was replaced")
            future.result()
