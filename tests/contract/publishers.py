"""The publishers that the contract suite runs on, each with a hand on what makes its rows durable."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

import pytest

from syncline_contracts import codec
from syncline_contracts.errors import IndexUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Done, Handled, Outcome
from syncline_sync_worker.handler import Handler, HandlerSettings
from syncline_sync_worker.transport import DirectPublisher, Publisher
from syncline_sync_worker.transport.kafka import ProducerSettings
from syncline_sync_worker.transport.kafka.publisher import KafkaPublisher
from tests.parts.servers.kafka import KafkaServer
from tests.parts.topics import kafka_settings, make_topics, records

DEADLINE = 30.0


class Bench(ABC):
    """A publisher, and a hand on what makes its rows durable."""

    publisher: Publisher

    @abstractmethod
    async def open(self, request: pytest.FixtureRequest) -> None: ...

    @abstractmethod
    async def hold(self) -> None:
        """Take rows, and acknowledge none from now on."""

    @abstractmethod
    async def release(self) -> None:
        """Acknowledge again, what was held too."""

    @abstractmethod
    async def break_down(self) -> None:
        """Be out for longer than the publisher waits."""

    @abstractmethod
    async def mend(self) -> None: ...

    @abstractmethod
    async def durable(self) -> list[ChangeEvent]:
        """The events that are durable beyond the relay, in the order in which they became so."""

    @abstractmethod
    async def waiting(self) -> None:
        """Returns once a row was taken and waits to be acknowledged."""

    @abstractmethod
    async def aclose(self) -> None: ...


class DirectBench(Bench):
    def __init__(self) -> None:
        self._gate = asyncio.Event()
        self._gate.set()
        self._taken = asyncio.Event()
        self._broken = False
        self._done: list[ChangeEvent] = []

    async def open(self, request: pytest.FixtureRequest) -> None:
        settings = HandlerSettings(first_retry=0.001, longest_retry=0.002, retry_for=0.02, open_for=0.01, deadline=DEADLINE)
        handler = Handler(self, None, clock=Clock(), settings=settings)  # type: ignore[arg-type] # nothing here is undecodable
        self.publisher = DirectPublisher(handler, max_batch=100, probe_after=0.02, patience=0.5)

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        self._taken.set()
        if self._broken:
            raise IndexUnavailable("out of order")
        await self._gate.wait()
        self._done.extend(delivery.event for delivery in deliveries)
        return [Handled(delivery.event.ref, delivery.event.revision, Done.EMBEDDED) for delivery in deliveries]

    async def hold(self) -> None:
        self._gate.clear()
        self._taken.clear()

    async def release(self) -> None:
        self._gate.set()

    async def break_down(self) -> None:
        self._broken = True
        self._taken.clear()

    async def mend(self) -> None:
        self._broken = False

    async def durable(self) -> list[ChangeEvent]:
        return self._done

    async def waiting(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self._taken.wait()

    async def aclose(self) -> None:
        await self.publisher.aclose()


class KafkaBench(Bench):
    """A real broker, frozen (SIGSTOP) to hold it and to break it. One partition, so that there is an order."""

    publisher: KafkaPublisher

    async def open(self, request: pytest.FixtureRequest) -> None:
        server: KafkaServer = request.getfixturevalue("kafka")
        self._process = server.own
        self._settings = kafka_settings(server.address, partitions=1, producer=ProducerSettings(patience=2.0, stop_within=0.5))
        await make_topics(self._settings)
        self.publisher = KafkaPublisher(self._settings)
        await self.publisher.publish([warm_up()])
        self._held: list[ChangeEvent] | None = None

    async def hold(self) -> None:
        if self._process is None:
            pytest.skip("this broker is not ours to freeze")
        self._held = await self.durable()
        self._process.freeze()

    async def release(self) -> None:
        assert self._process is not None
        self._process.thaw()
        self._held = None

    async def break_down(self) -> None:
        await self.hold()

    async def mend(self) -> None:
        await self.release()

    async def durable(self) -> list[ChangeEvent]:
        """A frozen broker appends nothing."""
        if self._held is not None:
            return self._held
        _, *found = await records(self._settings, self._settings.events.name)
        return [codec.decode(record.value, {name: value.decode() for name, value in record.headers}) for record in found]

    async def waiting(self) -> None:
        async with asyncio.timeout(DEADLINE):
            while not self.publisher.under_way:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.005)

    async def aclose(self) -> None:
        try:
            await self.publisher.aclose()
        finally:
            if self._process is not None:
                self._process.thaw()


def rows(count: int, shard: int = 0) -> list[OutboxRow]:
    return [
        OutboxRow(shard, Pos(at), ChangeEvent.of(Ref("t", ("n",), f"{shard}-{at}"), at << 6, Kind.WRITE, first_at=at))
        for at in range(count)
    ]


def warm_up() -> OutboxRow:
    (row,) = rows(1, shard=-1)
    return row
