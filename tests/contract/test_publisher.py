"""What every publisher must do, once for each implementation: a `Bench` per implementation controls what is behind it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence

import pytest

from syncline_contracts.errors import IndexUnavailable, TransportUnavailable, Unavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Done, Handled, Outcome
from syncline_sync_worker.handler import Handler, HandlerSettings
from syncline_sync_worker.transport import DirectPublisher, Publisher

DEADLINE = 5.0


class Bench(ABC):
    """A publisher, and a hand on what makes its rows durable."""

    publisher: Publisher

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    def hold(self) -> None:
        """Take rows, and acknowledge none from now on."""

    @abstractmethod
    def release(self) -> None:
        """Acknowledge again, what was held too."""

    @abstractmethod
    def break_down(self) -> None:
        """Be out for longer than the publisher waits."""

    @abstractmethod
    def mend(self) -> None: ...

    @abstractmethod
    def durable(self) -> list[ChangeEvent]:
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

    async def open(self) -> None:
        settings = HandlerSettings(first_retry=0.001, longest_retry=0.002, retry_for=0.02, deadline=DEADLINE)
        handler = Handler(self, None, clock=Clock(), settings=settings)  # type: ignore[arg-type] # nothing here is undecodable
        self.publisher = DirectPublisher(handler, max_batch=100, probe_after=0.02, patience=0.5)

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        self._taken.set()
        if self._broken:
            raise IndexUnavailable("out of order")
        await self._gate.wait()
        self._done.extend(delivery.event for delivery in deliveries)
        return [Handled(delivery.event.ref, delivery.event.revision, Done.EMBEDDED) for delivery in deliveries]

    def hold(self) -> None:
        self._gate.clear()
        self._taken.clear()

    def release(self) -> None:
        self._gate.set()

    def break_down(self) -> None:
        self._broken = True
        self._taken.clear()

    def mend(self) -> None:
        self._broken = False

    def durable(self) -> list[ChangeEvent]:
        return self._done

    async def waiting(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self._taken.wait()

    async def aclose(self) -> None:
        await self.publisher.aclose()


@pytest.fixture(params=[DirectBench])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    bench: Bench = request.param()
    await bench.open()
    yield bench
    await bench.aclose()


def rows(count: int, shard: int = 0) -> list[OutboxRow]:
    return [
        OutboxRow(shard, Pos(at), ChangeEvent.of(Ref("t", ("n",), f"{shard}-{at}"), at << 6, Kind.WRITE, first_at=at))
        for at in range(count)
    ]


async def test_nothing_is_published_at_once(bench: Bench) -> None:
    await bench.publisher.publish([])
    assert bench.durable() == []


async def test_all_of_it_arrives_as_it_was(bench: Bench) -> None:
    sent = rows(950)
    await bench.publisher.publish(sent)
    assert bench.durable() == [row.event for row in sent]


async def test_it_does_not_return_before_the_acknowledgement(bench: Bench) -> None:
    bench.hold()
    publishing = asyncio.create_task(bench.publisher.publish(rows(3)))
    await bench.waiting()
    assert not publishing.done()
    assert bench.durable() == []
    bench.release()
    async with asyncio.timeout(DEADLINE):
        await publishing
    assert len(bench.durable()) == 3


async def test_shards_publish_side_by_side(bench: Bench) -> None:
    shards = [rows(120, shard) for shard in range(5)]
    await asyncio.gather(*(bench.publisher.publish(one) for one in shards))
    assert {event.id for event in bench.durable()} == {row.event.id for one in shards for row in one}


async def test_an_outage_raises_and_the_same_rows_can_come_again(bench: Bench) -> None:
    sent = rows(5)
    bench.break_down()
    with pytest.raises(Unavailable):
        await bench.publisher.publish(sent)
    bench.mend()
    await bench.publisher.publish(sent)
    assert {event.id for event in bench.durable()} == {row.event.id for row in sent}


async def test_an_outage_that_ends_in_time_is_waited_out(bench: Bench) -> None:
    bench.break_down()
    publishing = asyncio.create_task(bench.publisher.publish(rows(2)))
    await bench.waiting()
    bench.mend()
    async with asyncio.timeout(DEADLINE):
        await publishing
    assert len(bench.durable()) == 2


async def test_a_cancelled_call_leaves_the_publisher_usable(bench: Bench) -> None:
    bench.hold()
    publishing = asyncio.create_task(bench.publisher.publish(rows(2)))
    await bench.waiting()
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    bench.release()
    again = rows(2)
    await bench.publisher.publish(again)
    assert {event.id for event in bench.durable()} >= {row.event.id for row in again}


async def test_closing_ends_a_call_that_waits_out_an_outage(bench: Bench) -> None:
    bench.break_down()
    publishing = asyncio.create_task(bench.publisher.publish(rows(2)))
    await bench.waiting()
    await bench.aclose()
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(TransportUnavailable):
            await publishing
