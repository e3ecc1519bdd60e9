"""One idempotent session with the brokers: a producer id, and the sequence numbers that the brokers count for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from syncline_contracts.errors import TransportUnavailable
from syncline_sync_worker.transport.kafka.connection import client_options, why_unreachable
from syncline_sync_worker.transport.kafka.errors import KAFKA
from syncline_sync_worker.transport.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)


class Session:
    """An aiokafka producer from its start to its end.

    It is over once a batch failed for good: the sequence then has a gap, and the broker refuses every later batch of that
    partition. What it still has under way may end well or not; every future that `hand_over` gave is done after `end`.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._under_way: set[asyncio.Future[Any]] = set()
        self._ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = False

    @classmethod
    async def start(cls, settings: KafkaSettings) -> "Session":
        """Connect, and be given a producer id. Raises ConfigurationError, TransportUnavailable."""
        size = settings.producer.max_batch_bytes
        producer = AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True, max_batch_size=size)
        try:
            await producer.start()
        except KAFKA as error:
            await producer.stop()
            raise await why_unreachable(settings, "connect to Kafka", error) from error
        except BaseException:
            await producer.stop()
            raise
        return cls(producer)

    async def partitions(self, topic: str) -> int:
        """How many the topic has."""
        return len(await self._producer.partitions_for(topic))

    def batch(self) -> BatchBuilder:
        """An empty batch, to be filled and handed over."""
        return self._producer.create_batch()

    async def hand_over(self, topic: str, partition: int, batch: BatchBuilder) -> asyncio.Future[Any]:
        """Returns once the batch is the next of its partition. The future is done when the batch is acknowledged or has failed.

        It is cancelled when the session ended before either.
        """
        sent = await self._in_turn(self._producer.send_batch(batch, topic, partition=partition))
        if self._ended:  # aiokafka lets a call that waited for its turn add to a producer that has stopped
            sent.cancel()
            raise TransportUnavailable("the producer was replaced")
        self._under_way.add(sent)
        sent.add_done_callback(self._under_way.discard)
        return sent

    async def _in_turn(self, handing: Coroutine[Any, Any, asyncio.Future[Any]]) -> asyncio.Future[Any]:
        """Wait for it no longer than the session lasts: a turn that does not come is given up by aiokafka after request_timeout only."""
        waiting = asyncio.create_task(handing)
        try:
            either: set[asyncio.Future[Any]] = {waiting, self._ending}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise TransportUnavailable("the producer was replaced")
            return waiting.result()
        finally:
            waiting.cancel()

    async def end(self, at_once: asyncio.Event, within: float) -> None:
        """Stop it once what is under way has ended, or at the latest `within` seconds after `at_once` is set."""
        self._ending.set_result(None)
        stopping, hurrying = asyncio.create_task(self._producer.stop()), asyncio.create_task(at_once.wait())
        await asyncio.wait({stopping, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({stopping}, timeout=within)
        if not stopping.done():
            log.warning("closing with batches under way; their events stay in the outbox", batches=len(self._under_way))
            await self._abandon()
        stopping.cancel()
        hurrying.cancel()
        await asyncio.gather(stopping, hurrying, return_exceptions=True)
        self._ended = True
        for sent in list(self._under_way):
            sent.cancel()

    async def _abandon(self) -> None:
        """End it without its acknowledgements. aiokafka has no way to: its `stop` waits for them."""
        sender = self._producer._sender.sender_task  # noqa: SLF001 - see above
        await self._producer.client.close()
        while sender is not None and not sender.done():
            sender.cancel()
            await asyncio.wait({sender}, timeout=0.05)
        await self._producer.client.close()  # the sender may have connected anew meanwhile
