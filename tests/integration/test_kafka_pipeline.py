"""Relay -> Kafka -> worker -> index, on a real broker that is frozen, killed and started under it."""

import asyncio
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from syncline_contracts.errors import TransportUnavailable
from syncline_sync_worker.transport.kafka import ConsumerSettings, KafkaSettings, ProducerSettings
from syncline_sync_worker.transport.kafka.connection import client_options
from syncline_sync_worker.transport.kafka.lag import read_lag
from syncline_sync_worker.transport.kafka.publisher import KafkaPublisher
from syncline_sync_worker.transport.kafka.topics import ensure_topics
from tests.contract.publishers import rows
from tests.parts.consuming import running, until
from tests.parts.embedders import OutableEmbedder, RefusingEmbedder
from tests.parts.pipeline import Pipeline
from tests.parts.servers.kafka import KafkaProcess, KafkaServer
from tests.parts.topics import committed, kafka_settings, records

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""aiokafka leaves a connection to the garbage collector where its broker stands still while it is being made."""

CONSUMER = ConsumerSettings(
    session_timeout=3.0, heartbeat=0.3, first_probe=0.2, longest_probe=1.0, stop_within=4.0, revoke_within=5.0, max_batch=64
)
PRODUCER = ProducerSettings(patience=2.0, stop_within=2.0)
REQUESTS = 2.0
"""Seconds until a request without an answer fails."""
AWAY = 1.5 * max(CONSUMER.session_timeout, PRODUCER.patience, REQUESTS)
"""Seconds, longer than every patience there is."""


def quick(address: str) -> KafkaSettings:
    return kafka_settings(address, producer=PRODUCER, consumer=CONSUMER).model_copy(update={"request_timeout": REQUESTS})


@pytest.fixture
async def settings(kafka: KafkaServer) -> KafkaSettings:
    settings = quick(kafka.address)
    await ensure_topics(settings)
    return settings


async def some_writes(pipeline: Pipeline, count: int, prefix: str = "n") -> None:
    for number in range(count):
        await pipeline.put(f"{prefix}{number}", f"the cat number {number} sat on the mat")
        if number % 5 == 0:
            await pipeline.put(f"{prefix}{number}", f"another text of {number}")
        if number % 7 == 0:
            await pipeline.delete(f"{prefix}{number}")


async def test_what_is_written_is_indexed_and_what_is_deleted_goes(settings: KafkaSettings, tmp_path: Path) -> None:
    async with Pipeline.open(tmp_path, settings) as pipeline, pipeline.running(workers=2):
        await some_writes(pipeline, 200)
        await pipeline.in_step()
        hits = await pipeline.notes.search(("notes",), query="another text of 5", limit=1)
        assert [hit.key for hit in hits] == ["n5"]
        assert await pipeline.letters() == []


async def test_poison_of_both_kinds_becomes_dead_letters_without_its_batch(settings: KafkaSettings, tmp_path: Path) -> None:
    """Both are in the table, and on the topic as they came."""
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    for partition in range(3):
        await producer.send_and_wait(settings.events.name, b"\x00junk", key=b"k", headers=[("h", b"\xff")], partition=partition)
    await producer.stop()
    async with Pipeline.open(tmp_path, settings, embedder=RefusingEmbedder()) as pipeline:
        for number in range(40):
            await pipeline.put(f"n{number}", f"text {number}")
        await pipeline.notes.put(("notes",), "bad", {"text": "POISON"})
        async with pipeline.running():
            await pipeline.in_step()
            async with asyncio.timeout(30):
                while len(await pipeline.letters()) < 4:  # noqa: ASYNC110 - a table tells nobody
                    await asyncio.sleep(0.05)
            letters = await pipeline.letters()
    assert sorted(letter.error for letter in letters) == ["DocumentRefused", *["UndecodableEvent"] * 3]
    on_topic = await records(settings, settings.dead_letters.name)
    assert len(on_topic) == 4
    junk = [record for record in on_topic if record.value == b"\x00junk"]
    assert len(junk) == 3
    assert all(record.key == b"k" and dict(record.headers)["h"] == b"\xff" for record in junk)
    assert {dict(record.headers)["syncline-letter"].decode() for record in on_topic} == {str(letter.id) for letter in letters}
    refused = next(record for record in on_topic if record.value != b"\x00junk")
    assert dict(refused.headers)["ce_type"] == b"io.syncline.document.changed"
    assert dict(refused.headers)["syncline-error"] == b"DocumentRefused"


async def test_an_embedder_that_is_out_pauses_and_dead_letters_nothing(settings: KafkaSettings, tmp_path: Path) -> None:
    embedder = OutableEmbedder()
    async with Pipeline.open(tmp_path, settings, embedder=embedder) as pipeline, pipeline.running() as consumers:
        await some_writes(pipeline, 20)
        await pipeline.in_step()
        embedder.out = True
        await some_writes(pipeline, 50, "later")
        async with asyncio.timeout(30):
            while consumers[0].paused is None:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        assert sum((await committed(settings)).values()) < sum(
            record.offset >= 0 for record in await records(settings, settings.events.name)
        )
        embedder.out = False
        await pipeline.in_step()
        assert await pipeline.letters() == []


async def test_a_broker_that_freezes_in_mid_stream_loses_nothing(own_kafka: KafkaProcess, tmp_path: Path) -> None:
    """Longer than the producer's patience, the requests' time-out and the group's session."""
    settings = quick(own_kafka.address)
    await ensure_topics(settings)
    async with Pipeline.open(tmp_path, settings) as pipeline, pipeline.running():
        await some_writes(pipeline, 50)
        await pipeline.in_step()
        own_kafka.freeze()
        await some_writes(pipeline, 50, "frozen")
        await asyncio.sleep(AWAY)
        assert await pipeline.indexed() < len(pipeline.expected)
        own_kafka.thaw()
        await some_writes(pipeline, 20, "after")
        await pipeline.in_step()
        assert await pipeline.letters() == []
    assert await records(settings, settings.dead_letters.name) == []


async def test_rows_that_are_brought_again_while_they_are_under_way_are_sent_once(own_kafka: KafkaProcess) -> None:
    settings = quick(own_kafka.address).model_copy(update={"producer": ProducerSettings(patience=0.5, stop_within=1.0)})
    await ensure_topics(settings)
    publisher = KafkaPublisher(settings)
    try:
        await publisher.publish(rows(10))
        own_kafka.freeze()
        sent = rows(200, shard=1)
        for _ in range(3):
            with pytest.raises(TransportUnavailable):
                await publisher.publish(sent)
            assert publisher.under_way == 200
        own_kafka.thaw()
        await until(lambda: publisher.under_way == 0)
    finally:
        await publisher.aclose()
    assert len(await records(settings, settings.events.name)) == 210


async def test_closing_lets_go_of_what_is_under_way(own_kafka: KafkaProcess) -> None:
    settings = quick(own_kafka.address).model_copy(update={"producer": ProducerSettings(patience=0.5, stop_within=0.5)})
    await ensure_topics(settings)
    publisher = KafkaPublisher(settings)
    await publisher.publish(rows(10))
    own_kafka.freeze()
    with pytest.raises(TransportUnavailable):
        await publisher.publish(rows(20, shard=1))
    assert publisher.under_way == 20
    async with asyncio.timeout(30):
        await publisher.aclose()
    await until(lambda: publisher.under_way == 0)
    with pytest.raises(TransportUnavailable):
        await publisher.publish(rows(1))


async def test_a_broker_that_is_killed_in_mid_stream_loses_nothing(own_kafka: KafkaProcess, tmp_path: Path) -> None:
    """Away for longer than every patience there is, as ten minutes are in production."""
    settings = quick(own_kafka.address)
    await ensure_topics(settings)
    async with Pipeline.open(tmp_path, settings) as pipeline, pipeline.running(workers=2):
        await some_writes(pipeline, 50)
        writing = asyncio.create_task(some_writes(pipeline, 150, "during"))
        await asyncio.to_thread(own_kafka.kill)
        await writing
        await asyncio.sleep(AWAY)
        assert await pipeline.indexed() < len(pipeline.expected)
        await asyncio.to_thread(own_kafka.start)
        await some_writes(pipeline, 20, "after")
        await pipeline.in_step()
        assert await pipeline.letters() == []
    assert await records(settings, settings.dead_letters.name) == []


async def test_both_wait_for_a_broker_that_is_not_there_yet(own_kafka: KafkaProcess, tmp_path: Path) -> None:
    settings = quick(own_kafka.address)
    await ensure_topics(settings)
    await asyncio.to_thread(own_kafka.kill)
    async with Pipeline.open(tmp_path, settings) as pipeline, pipeline.running():
        await some_writes(pipeline, 30)
        await asyncio.sleep(2)
        await asyncio.to_thread(own_kafka.start)
        await pipeline.in_step()
        assert await pipeline.letters() == []


async def test_a_stop_while_the_broker_is_away_ends_in_time(own_kafka: KafkaProcess, tmp_path: Path) -> None:
    settings = quick(own_kafka.address)
    await ensure_topics(settings)
    async with Pipeline.open(tmp_path, settings) as pipeline:
        async with pipeline.running():
            await some_writes(pipeline, 20)
            await pipeline.in_step()
            own_kafka.freeze()
            await some_writes(pipeline, 20, "frozen")
            stopped = time.monotonic()
        assert time.monotonic() - stopped < 40
        own_kafka.thaw()
        async with pipeline.running():
            await pipeline.in_step()


async def test_a_rebalance_storm_loses_nothing(settings: KafkaSettings, tmp_path: Path) -> None:
    """Workers join and leave one after another, sometimes two at once, while events flow."""
    async with Pipeline.open(tmp_path, settings) as pipeline, pipeline.running() as steady:
        await some_writes(pipeline, 20)
        for turn in range(6):
            passing = [await pipeline.worker() for _ in range(1 + turn % 2)]
            async with running(*passing):
                writing = asyncio.create_task(some_writes(pipeline, 30, f"turn{turn}-"))
                await until(lambda passing=passing: all(worker.rebalances for worker in passing))  # type: ignore[misc] # bound in the loop on purpose
                if turn % 3:
                    await writing  # the others leave in mid-stream
            await writing
        assert steady[0].rebalances > 6
        await pipeline.in_step()
        assert await pipeline.letters() == []
        await all_committed(settings)
    assert await records(settings, settings.dead_letters.name) == []


async def all_committed(settings: KafkaSettings) -> None:
    """Returns once the group has acknowledged every record."""
    async with asyncio.timeout(30):
        while (await read_lag(settings)).records:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.1)
