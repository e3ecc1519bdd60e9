"""The reconciler beside a real Kafka that holds what nobody has handled (docs/protocol.md, D1)."""

import asyncio
from pathlib import Path

import pytest

from syncline_contracts.drift import DriftReport, Verdict
from syncline_contracts.errors import TransportUnavailable
from syncline_contracts.identity import Ref
from syncline_sync_worker.reconcile.reconciler import Reconciler
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.reconcile.unhandled import DIRECT, Unhandled
from syncline_sync_worker.transport.kafka import KafkaSettings
from syncline_sync_worker.transport.kafka.consumer import KafkaConsumer
from syncline_sync_worker.transport.kafka.publisher import KafkaPublisher
from syncline_sync_worker.transport.kafka.topics import ensure_topics
from syncline_sync_worker.transport.kafka.unhandled import KafkaUnhandled
from tests.contract.publishers import rows
from tests.parts.consuming import Recording, running, until
from tests.parts.pipeline import NOTES, Pipeline
from tests.parts.servers.kafka import KafkaServer
from tests.parts.servers.maven import free_ports
from tests.parts.topics import kafka_settings

COUNT = 40


@pytest.fixture
async def settings(kafka: KafkaServer) -> KafkaSettings:
    settings = kafka_settings(kafka.address)
    await ensure_topics(settings)
    return settings


async def check(pipeline: Pipeline, unhandled: Unhandled) -> DriftReport:
    parts = pipeline.parts
    reconciler = Reconciler(
        parts.engine,
        await parts.index(),
        parts.embedder,
        parts.settings.indexing_settings,
        clock=parts.clock,
        settings=ReconcileSettings(settle=0.0, delay=0.05),
        unhandled=unhandled,
    )
    return await reconciler.check()


async def marks_pass_everything(pipeline: Pipeline) -> None:
    """The relay has published all of it, and no row of it can surface late any more."""
    newest = max(pipeline.expected.values())
    async with asyncio.timeout(30):
        while any(mark is None or mark.at <= newest for mark in (await pipeline.parts.engine.leases.marks()).values()):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


async def test_d1_what_lies_in_kafka_is_young_until_a_worker_has_handled_it(settings: KafkaSettings, tmp_path: Path) -> None:
    unhandled = KafkaUnhandled(settings)
    async with Pipeline.open(tmp_path, settings) as pipeline:
        async with pipeline.running(workers=0):
            for number in range(COUNT):
                await pipeline.put(f"n{number}", f"the cat number {number}")
            await marks_pass_everything(pipeline)
            assert len((await check(pipeline, DIRECT)).findings) == COUNT, "without a look at Kafka all of it is called drift"
            report = await check(pipeline, unhandled)
            assert (report.verdict, report.young, report.verdict.exit_code) == (Verdict.IN_STEP, COUNT, 0)
        async with pipeline.running():
            await pipeline.in_step()
            await until_nothing_is_unhandled(unhandled)
            report = await check(pipeline, unhandled)
            assert (report.verdict, report.young) == (Verdict.IN_STEP, 0)


async def until_nothing_is_unhandled(unhandled: KafkaUnhandled) -> None:
    async with asyncio.timeout(30):
        while await unhandled.oldest() is not None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


async def test_the_documents_of_unhandled_records_are_known_whatever_lies_between(settings: KafkaSettings) -> None:
    """Some of it is committed, some is not; what was handled is not in flight."""
    unhandled, publisher, handler = KafkaUnhandled(settings), KafkaPublisher(settings), Recording()
    try:
        assert await unhandled.among([Ref("t", NOTES, "nothing was ever published")]) == set()
        await publisher.publish(first := rows(60))
        async with running(consumer := KafkaConsumer(handler, settings)):
            await until(lambda: len(handler.done) == 60)
            await until_nothing_is_unhandled(unhandled)
            handler.out = True
            await publisher.publish(second := rows(30, shard=1))
            await until(lambda: consumer.paused is not None)
            await publisher.publish(rows(500, shard=2))
            asked = {row.event.ref for row in (*first, *second)}
            assert await unhandled.among(asked) == {row.event.ref for row in second}
            assert await unhandled.among([]) == set()
    finally:
        await publisher.aclose()


async def test_a_kafka_that_is_away_leaves_the_verdict_open(settings: KafkaSettings, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    away = KafkaUnhandled(settings.model_copy(update={"bootstrap_servers": f"127.0.0.1:{port}"}))
    with pytest.raises(TransportUnavailable):
        await away.oldest()
    async with Pipeline.open(tmp_path, settings) as pipeline:
        await pipeline.put("n", "text")
        assert (await check(pipeline, away)).verdict is Verdict.UNKNOWN
