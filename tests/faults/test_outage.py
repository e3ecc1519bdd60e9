"""Ten minutes without a part, a hundred times faster, with the settings that a worker has: nobody is buried, and hardly anybody asks.

The time of the event loop goes faster (tests/parts/fast.py), so that retries, circuits, probes and the relay's back-off are those of
production; the store, the Qdrant stand-in and the embedding endpoint are as fast as ever.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from syncline_store.embedding.openai import OpenAIEmbedder
from syncline_store.index import client
from syncline_store.settings import EmbeddingSettings
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport import DirectPublisher
from tests.parts import by_url
from tests.parts.by_url import ByUrl
from tests.parts.fast import FastLoop
from tests.parts.servers.embedding import EmbeddingServer, failing
from tests.parts.servers.qdrant import QdrantProcess

SPEED = 100
OUTAGE = 600.0
PATIENCE = 1_200.0
"""Seconds of the fast time that catching up may take: the longest back-off of the relay is 30 s, and a busy machine is no faster."""
OPEN_FOR = 5.0


class Outage:
    """A part that is taken away and given back, and how often it was asked meanwhile."""

    def __init__(self, begin: Callable[[], None], end: Callable[[], None], asked: Callable[[], int]) -> None:
        self.begin = begin
        self.end = end
        self.asked = asked


@pytest.fixture
def index_outage(process: QdrantProcess) -> Outage:
    return Outage(lambda: process.faults.add("status", "/points", status=503), process.faults.clear, process.faults.fired)


@pytest.fixture
def embedder_outage(endpoint: EmbeddingServer) -> Outage:
    def begin() -> None:
        endpoint.asked.clear()
        endpoint.always = failing(503)

    def end() -> None:
        endpoint.always = None

    return Outage(begin, end, lambda: len(endpoint.asked))


@pytest.mark.parametrize("part", ["index", "embedder"])
def test_ten_minutes(
    *, part: str, process: QdrantProcess, endpoint: EmbeddingServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("monkeypatch").setattr(client, "TIMEOUT", 60 * SPEED)  # the server is no faster than before
    request.getfixturevalue("monkeypatch").setattr(by_url, "DEADLINE", 60.0 * SPEED)
    outage: Outage = request.getfixturevalue(f"{part}_outage")
    with asyncio.Runner(loop_factory=lambda: FastLoop(SPEED)) as runner:
        try:
            told = runner.run(ten_minutes(part, outage, process.url, endpoint.url, tmp_path))
        finally:
            outage.end()
    request.getfixturevalue("figure")(told)


async def ten_minutes(part: str, outage: Outage, url: str, endpoint: str, folder: Path) -> str:
    settings = {"base_url": endpoint, "dimensions": 32, "timeout": 60 * SPEED, "connect_timeout": 60 * SPEED}
    embedder = OpenAIEmbedder("hash", EmbeddingSettings.model_validate(settings))
    async with ByUrl.open(folder, url, embedder) as notes:
        metrics, dice, loop, stop = Metrics(), Random(1), asyncio.get_running_loop(), asyncio.Event()
        relay = await production_relay(notes, metrics)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(relay.run(stop))
            await write(notes, dice, 30)
            await notes.in_step()
            await asyncio.to_thread(outage.begin)
            began = loop.time()
            while loop.time() < began + OUTAGE:
                await write(notes, dice, 5)
                await asyncio.sleep(10)
            asked = await asyncio.to_thread(outage.asked)
            assert metrics.registry.get_sample_value("syncline_circuit_open", {"part": part}) == 1
            assert await notes.letters() == []
            await asyncio.to_thread(outage.end)
            ended = loop.time()
            async with asyncio.timeout(PATIENCE):
                await notes.in_step()
            told = f"{part} out for {OUTAGE:.0f} s: asked {asked} times, in step {loop.time() - ended:.0f} s after its end"
            stop.set()
            await running
        assert asked < OUTAGE / OPEN_FOR * 4, "it was not left alone"
        assert metrics.registry.get_sample_value("syncline_circuit_open", {"part": part}) == 0
        await notes.judged()
    await embedder.aclose()
    return told


async def production_relay(notes: ByUrl, metrics: Metrics) -> Relay:
    """Nothing of it is set for tests."""
    engine, clock = notes.parts.engine, notes.parts.clock
    handler = Handler(await notes.parts.indexer(), engine.dead_letters, clock=clock, metrics=metrics)
    return Relay(engine, DirectPublisher(handler), clock=clock)


async def write(notes: ByUrl, dice: Random, times: int) -> None:
    for _ in range(times):
        await notes.write(dice, 25)
