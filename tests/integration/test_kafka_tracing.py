"""Over a real Kafka: the trace of a put goes on in the relay and in the worker, and each event's headers lead back to it."""

from pathlib import Path

import pytest

from syncline_contracts.identity import Ref
from syncline_sync_worker.transport.kafka.topics import ensure_topics
from tests.parts.pipeline import Pipeline
from tests.parts.servers.kafka import KafkaServer
from tests.parts.topics import kafka_settings, records
from tests.parts.tracing import Spans

NOTES = ("notes",)


async def test_one_trace_leads_from_the_put_over_kafka_to_qdrant(
    kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = Spans(monkeypatch)
    settings = kafka_settings(kafka.address)
    await ensure_topics(settings)
    async with Pipeline.open(tmp_path, settings) as pipeline:
        await pipeline.put("n1", "the cat sat on the mat")
        async with pipeline.running():
            await pipeline.in_step()
        put = spans.one("syncline.put").context
        whole = {"syncline.put", "syncline.publish", "syncline.index", "syncline.embed", "syncline.qdrant"}
        assert spans.of_trace(put.trace_id) == whole
        (record,) = await records(settings, settings.events.name)
        assert dict(record.headers)["traceparent"].decode().startswith(f"00-{put.trace_id:032x}-{put.span_id:016x}-")


async def test_what_a_worker_handles_together_is_linked_to_each_put(
    kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = Spans(monkeypatch)
    settings = kafka_settings(kafka.address)
    await ensure_topics(settings)
    async with Pipeline.open(tmp_path, settings) as pipeline:
        for number in range(30):
            await pipeline.put(f"n{number}", f"the cat number {number}")
        async with pipeline.running():
            await pipeline.in_step()
        assert len({Ref("acme", NOTES, f"n{number}") for number in range(30)} & pipeline.expected.keys()) == 30
    written = {span.context.span_id for span in spans.named("syncline.put")}
    for name in ("syncline.publish", "syncline.index"):
        led = {link.context.span_id for span in spans.named(name) for link in span.links}
        led |= {span.parent.span_id for span in spans.named(name) if span.parent}
        assert led == written
