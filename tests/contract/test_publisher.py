"""What every publisher must do, once for each implementation: a `Bench` per implementation controls what is behind it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from syncline_contracts.errors import TransportUnavailable, Unavailable
from tests.contract.publishers import DEADLINE, Bench, DirectBench, KafkaBench, rows


@pytest.fixture(params=[DirectBench, KafkaBench])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    bench: Bench = request.param()
    await bench.open(request)
    yield bench
    await bench.aclose()


async def test_nothing_is_published_at_once(bench: Bench) -> None:
    await bench.publisher.publish([])
    assert await bench.durable() == []


async def test_all_of_it_arrives_as_it_was(bench: Bench) -> None:
    sent = rows(950)
    await bench.publisher.publish(sent)
    assert await bench.durable() == [row.event for row in sent]


async def test_it_does_not_return_before_the_acknowledgement(bench: Bench) -> None:
    await bench.hold()
    publishing = asyncio.create_task(bench.publisher.publish(rows(3)))
    await bench.waiting()
    assert not publishing.done()
    assert await bench.durable() == []
    await bench.release()
    async with asyncio.timeout(DEADLINE):
        await publishing
    assert len(await bench.durable()) == 3


async def test_shards_publish_side_by_side(bench: Bench) -> None:
    shards = [rows(120, shard) for shard in range(5)]
    await asyncio.gather(*(bench.publisher.publish(one) for one in shards))
    assert {event.id for event in await bench.durable()} == {row.event.id for one in shards for row in one}


async def test_an_outage_raises_and_the_same_rows_can_come_again(bench: Bench) -> None:
    sent = rows(5)
    await bench.break_down()
    with pytest.raises(Unavailable):
        await bench.publisher.publish(sent)
    await bench.mend()
    await bench.publisher.publish(sent)
    assert {event.id for event in await bench.durable()} == {row.event.id for row in sent}


async def test_an_outage_that_ends_in_time_is_waited_out(bench: Bench) -> None:
    await bench.break_down()
    publishing = asyncio.create_task(bench.publisher.publish(rows(2)))
    await bench.waiting()
    await bench.mend()
    async with asyncio.timeout(DEADLINE):
        await publishing
    assert len(await bench.durable()) == 2


async def test_a_cancelled_call_leaves_the_publisher_usable(bench: Bench) -> None:
    await bench.hold()
    publishing = asyncio.create_task(bench.publisher.publish(rows(2)))
    await bench.waiting()
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    await bench.release()
    again = rows(2)
    await bench.publisher.publish(again)
    assert {event.id for event in await bench.durable()} >= {row.event.id for row in again}


async def test_closing_ends_a_call_that_waits_out_an_outage(bench: Bench) -> None:
    await bench.break_down()
    publishing = asyncio.create_task(bench.publisher.publish(rows(2)))
    await bench.waiting()
    await bench.aclose()
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(TransportUnavailable):
            await publishing
