"""Batches follow the size of what they hold, and two of a call are under way at a time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from syncline_contracts.errors import EmbedderUnavailable
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.sizing import Sizing
from syncline_store.settings import IndexingSettings
from tests.parts.embedders import HashEmbedder, OutableEmbedder
from tests.parts.world import World, open_world
from tests.unit.test_indexer import REFS, indexer


class Row:
    def __init__(self, size: int) -> None:
        self.value = "x" * size


class Weighed:
    """As much of a decided document as its weight needs."""

    def __init__(self, size: int) -> None:
        self.case = type("Case", (), {"row": Row(size)})


def documents(count: int, size: int) -> Any:
    return [Weighed(size) for _ in range(count)]


class Slow(HashEmbedder):
    """Lets nobody go before two are inside."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = self.most = 0
        self._two = asyncio.Event()

    async def embed_documents(self, texts: Sequence[str]) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside == 2:
            self._two.set()
        async with asyncio.timeout(5):
            await self._two.wait()
        self.inside -= 1
        return await super().embed_documents(texts)


async def written(world: World) -> list[Delivery]:
    """Forty documents in the source, and their events."""
    writes = [world.write(number, f"v{number}", ref=ref) for number, ref in enumerate(REFS[:40], 1)]
    await world.surface(*writes)
    return [Delivery(write.event, "test") for write in writes]


def test_small_documents_make_full_batches() -> None:
    sizing = Sizing(256, 8_000_000)
    sizing.weigh(documents(256, 500))
    assert sizing.documents == 256


def test_large_documents_make_small_batches_at_once_and_the_way_back_is_gradual() -> None:
    sizing = Sizing(256, 8_000_000)
    sizing.weigh(documents(256, 1_000_000))
    assert sizing.documents == 8
    sizing.weigh(documents(8, 500))
    assert 8 < sizing.documents < 256
    for _ in range(20):
        sizing.weigh(documents(8, 500))
    assert sizing.documents == 256


def test_one_document_is_always_taken() -> None:
    sizing = Sizing(256, 1_000)
    sizing.weigh(documents(1, 1_000_000))
    assert sizing.documents == 1


async def test_one_batch_is_written_while_the_next_is_embedded() -> None:
    """Two are inside the embedder before either is let go; a third is not."""
    embedder = Slow()
    async with open_world(embedder) as world:
        deliveries = await written(world)
        await indexer(world, settings=IndexingSettings(max_batch=10, batches_at_once=2)).index(deliveries)
        await world.assert_in_step(*REFS[:40])
    assert embedder.most == 2


async def test_an_outage_in_one_batch_ends_the_others_before_it_is_told() -> None:
    embedder = OutableEmbedder()
    async with open_world(embedder) as world:
        deliveries = await written(world)
        several = indexer(world, settings=IndexingSettings(max_batch=10, batches_at_once=4))
        embedder.out = True
        before = asyncio.all_tasks()
        with pytest.raises(EmbedderUnavailable):
            await several.index(deliveries)
        assert asyncio.all_tasks() == before
        embedder.out = False
        await several.index(deliveries)
        await world.assert_in_step(*REFS[:40])
