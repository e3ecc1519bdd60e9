"""An endpoint refuses a whole request because of one text: the indexer, on a real engine and a real index, finds out which document it
is, and nothing else is lost (invariant 8). What that costs is counted in requests.
"""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from syncline_contracts.errors import ConfigurationError, EmbedderUnavailable
from syncline_contracts.identity import Ref
from syncline_store.embedding.openai import OpenAIEmbedder
from syncline_store.embedding.vectors import HARMLESS
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.indexer import Indexer
from syncline_store.indexing.outcome import Buried, Handled
from syncline_store.settings import EmbeddingSettings
from tests.parts.clock import START
from tests.parts.embedders import Vectors
from tests.parts.servers.embedding import EmbeddingServer, failing, hanging, spoilt, throttled
from tests.parts.world import GRACE, SETTINGS, World, open_world

MANY = 500
POISON = "POISON"
BATCH = SETTINGS.model_copy(update={"max_batch": 512})
REFS = [Ref("acme", ("notes", str(number % 3)), f"n{number}") for number in range(MANY)]


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as server:
        yield server


class Indexing:
    """A world whose texts are embedded by the endpoint: `world.embedder`, which the world compares with, makes the same vectors."""

    def __init__(self, world: World, embedder: OpenAIEmbedder) -> None:
        self.world = world
        self.embedder = embedder
        self._indexer = Indexer(world.engine, world.index, embedder, clock=world.clock, settings=BATCH, tombstone_grace=GRACE)

    async def write(self, number: int, poison: set[int]) -> list[Delivery]:
        writes = [
            self.world.write(place + 1, POISON if place in poison else f"t{place}", ref=ref) for place, ref in enumerate(REFS[:number])
        ]
        await self.world.surface(*writes)
        return [Delivery(write.event, "test") for write in writes]

    async def handle(self, deliveries: list[Delivery]) -> set[int]:
        """Which of them became dead letters."""
        outcomes = await self._indexer.index(deliveries)
        assert {type(outcome) for outcome in outcomes} <= {Buried, Handled}
        buried = {place for place, outcome in enumerate(outcomes) if isinstance(outcome, Buried)}
        letters = (await self.world.engine.dead_letters.scan(None, 1000)).items
        assert {letter.ref for letter in letters} == {REFS[place] for place in buried}
        return buried


@asynccontextmanager
async def open_indexing(server: EmbeddingServer, **settings: object) -> AsyncIterator[Indexing]:
    chosen = EmbeddingSettings.model_validate({"base_url": server.url, "dimensions": 16, "max_batch": 128, "timeout": 1, **settings})
    embedder = OpenAIEmbedder("hash", chosen)
    try:
        async with open_world() as world:
            yield Indexing(world, embedder)
    finally:
        await embedder.aclose()


async def test_one_poison_text_among_500_documents_costs_a_number_of_requests_that_grows_with_the_logarithm(
    server: EmbeddingServer,
) -> None:
    async with open_indexing(server) as indexing:
        await indexing.embedder.embed_query("the endpoint takes base64: nothing is asked twice from here on")
        server.asked.clear()
        server.refuses = POISON
        assert await indexing.handle(await indexing.write(MANY, {333})) == {333}
        await indexing.world.assert_in_step(*REFS[:333], *REFS[334:])
    halvings = math.ceil(math.log2(MANY))
    whole = math.ceil(MANY / 128)
    requests = [len(asked.texts) for asked in server.asked]
    alone = 2 * SETTINGS.attempts  # the document alone, each time with a harmless text to see whose fault it is
    assert len(requests) <= 2 * halvings + 2 * whole + alone
    assert sum(asked.texts == [HARMLESS] for asked in server.asked) == SETTINGS.attempts


@pytest.mark.parametrize("poison", [{0, MANY - 1}, {7, 8}], ids=str)
async def test_wherever_poison_is_only_it_is_buried(server: EmbeddingServer, poison: set[int]) -> None:
    server.refuses = POISON
    async with open_indexing(server) as indexing:
        assert await indexing.handle(await indexing.write(MANY, poison)) == poison
        await indexing.world.assert_in_step(*(ref for place, ref in enumerate(REFS) if place not in poison))


async def test_a_vector_that_is_not_finite_buries_its_document_alone(server: EmbeddingServer) -> None:
    def spoil(vectors: Vectors) -> Vectors:
        poison = server.embedder.vectors([f"{POISON} 0 ".ljust(60, "x")])[0]
        vectors[(vectors == poison).all(axis=1)] = np.nan
        return vectors

    server.always = spoilt(spoil)
    async with open_indexing(server) as indexing:
        assert await indexing.handle(await indexing.write(50, {20})) == {20}
        await indexing.world.assert_in_step(*REFS[:20], *REFS[21:50])


@pytest.mark.parametrize(
    ("fate", "error"),
    [
        (throttled(3), EmbedderUnavailable),
        (failing(500), EmbedderUnavailable),
        (hanging(), EmbedderUnavailable),
        (spoilt(lambda vectors: vectors[:-1]), EmbedderUnavailable),
        (spoilt(lambda vectors: vectors[:, :-1]), ConfigurationError),
        (failing(401), ConfigurationError),
        (failing(404), ConfigurationError),
        (failing(400, "unknown parameter: encoding_format"), ConfigurationError),
        (spoilt(lambda vectors: vectors * np.float32(np.nan)), ConfigurationError),
    ],
    ids=["throttled", "failing", "hanging", "wrong count", "wrong dimension", "wrong key", "no such path", "refuses all", "all NaN"],
)
async def test_an_endpoint_that_does_not_work_buries_nothing_and_nothing_is_lost(
    server: EmbeddingServer, fate: object, error: type[Exception]
) -> None:
    async with open_indexing(server, timeout=0.3) as indexing:
        deliveries = await indexing.write(20, set())
        server.always = fate  # type: ignore[assignment] # one of the fates above
        for _ in range(2):
            with pytest.raises(error):
                await indexing.handle(deliveries)
            assert (await indexing.world.engine.dead_letters.scan(None, 10)).items == []
            assert await indexing.world.index.count() == 0
        server.always = None
        assert await indexing.handle(deliveries) == set()
        await indexing.world.assert_in_step(*REFS[:20])


async def test_a_poisoned_document_is_indexed_once_it_is_mended(server: EmbeddingServer) -> None:
    server.refuses = POISON
    async with open_indexing(server) as indexing:
        await indexing.handle(await indexing.write(3, {1}))
        mended = indexing.world.write(100, "mended", ref=REFS[1])
        await indexing.world.surface(mended)
        assert await indexing.handle([Delivery(mended.event, "test")]) == set()
        await indexing.world.assert_in_step(*REFS[:3])
        (point,) = await indexing.world.points(REFS[1])
        assert point.revision == START + 100
