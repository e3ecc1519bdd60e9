"""Dead letters with Kafka in between: a document is parked, a later version or a replay brings it back, and the table is what counts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from syncline_contracts.dead_letter import Closed, DeadLetter
from syncline_contracts.identity import Ref
from syncline_sync_worker.dead_letters.choosing import LetterFilter
from syncline_sync_worker.dead_letters.replay import DeadLetterDesk
from syncline_sync_worker.transport.kafka import KafkaSettings
from syncline_sync_worker.transport.kafka.topics import ensure_topics
from tests.parts.embedders import RefusingEmbedder
from tests.parts.pipeline import NOTES, Pipeline
from tests.parts.servers.kafka import KafkaServer
from tests.parts.topics import kafka_settings, records

PATIENCE = 30.0
BAD = Ref("acme", NOTES, "bad")


@pytest.fixture
async def settings(kafka: KafkaServer) -> KafkaSettings:
    settings = kafka_settings(kafka.address)
    await ensure_topics(settings)
    return settings


@pytest.fixture
async def embedder() -> RefusingEmbedder:
    return RefusingEmbedder()


@pytest.fixture
async def pipeline(settings: KafkaSettings, embedder: RefusingEmbedder, tmp_path: Path) -> AsyncIterator[Pipeline]:
    """A pipeline that runs, in which one document among others was refused."""
    async with Pipeline.open(tmp_path, settings, embedder=embedder) as pipeline, pipeline.running():
        await pipeline.notes.put(NOTES, BAD.key, {"text": "POISON"})
        for number in range(5):
            await pipeline.put(f"n{number}", f"text {number}")
        await pipeline.in_step()
        await _until(lambda: _is(pipeline, 1))
        yield pipeline


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await true():  # noqa: ASYNC110 - a table tells nobody
            await asyncio.sleep(0.05)


async def _is(pipeline: Pipeline, letters: int) -> bool:
    return len(await pipeline.letters()) == letters


async def test_a_later_version_of_a_parked_document_is_indexed_and_resolves_its_letter(pipeline: Pipeline) -> None:
    (parked,) = await pipeline.letters()
    assert parked.ref == BAD
    await pipeline.put(BAD.key, "a text that is taken")
    await pipeline.in_step()
    await _until(lambda: _is(pipeline, 0))
    closed = await pipeline.parts.engine.dead_letters.get(parked.id)
    assert closed is not None
    assert closed.closed is Closed.RESOLVED


async def test_a_later_version_that_fails_too_stays_in_the_same_letter(pipeline: Pipeline) -> None:
    (parked,) = await pipeline.letters()
    revision = await pipeline.notes.put(NOTES, BAD.key, {"text": "POISON again"})

    async def is_newer() -> bool:
        return [letter.revision for letter in await pipeline.letters()] == [revision]

    await _until(is_newer)
    (still,) = await pipeline.letters()
    assert (still.id, still.first_at, still.attempts) == (parked.id, parked.first_at, 2 * parked.attempts)
    reasons = await pipeline.parts.engine.dead_letters.reasons(parked.id)
    assert [reason.revision for reason in reasons] == [revision, parked.revision]


async def test_replays_count_their_failures_and_the_one_that_succeeds_resolves(
    pipeline: Pipeline, embedder: RefusingEmbedder, settings: KafkaSettings
) -> None:
    """A replay concerns the table: it reads nothing off the topic of dead letters, where each failure leaves a copy."""
    desk = DeadLetterDesk(pipeline.parts.engine, who="ann")
    (parked,) = await pipeline.letters()

    async def failed(times: int) -> bool:
        return [letter.attempts for letter in await pipeline.letters()] == [times * parked.attempts]

    for times in (2, 3):
        assert (await desk.replay([parked.id])).events.count == 1
        await _until(lambda times=times: failed(times))
    (still,) = await pipeline.letters()
    assert still.id == parked.id
    embedder.refuses = False
    assert (await desk.replay(LetterFilter(error="DocumentRefused"))).events.count == 1
    await _until(lambda: _is(pipeline, 0))
    found: DeadLetter | None = await desk.show(parked.id)
    assert found is not None
    assert (found.closed, found.attempts) == (Closed.RESOLVED, 3 * parked.attempts)
    index = await pipeline.parts.index()
    points = (await index.points([BAD.document]))[BAD.document]
    assert [point.revision for point in points if point.passage == 0] == [parked.revision]
    copies = await records(settings, settings.dead_letters.name)
    assert len(copies) == 3, "one for each failure"
    assert len((await pipeline.parts.engine.audit.scan(None, 10)).items) == 3
