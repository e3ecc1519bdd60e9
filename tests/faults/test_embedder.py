"""An embedding endpoint that fails: nothing is dead-lettered but a text that it refuses, and in the end both sides agree."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from syncline_contracts.errors import ConfigurationError
from syncline_store.embedding.openai import OpenAIEmbedder
from tests.faults.fates import Sometimes, not_a_number_for, one_less
from tests.parts.by_url import ByUrl
from tests.parts.embedders import Vectors
from tests.parts.servers.embedding import EmbeddingServer, Fate, cut, failing, hanging, saying, spoilt, throttled

WRITES, KEYS = 80, 25
POISON = "POISON"
OUTAGES: dict[str, Fate] = {
    "429 with Retry-After": throttled(0.05),
    "429": failing(429),
    "500": failing(500),
    "503": failing(503),
    "hanging": hanging(),
    "cut": cut(),
    "a vector less": spoilt(one_less),
    "no embeddings": saying({"hello": "there"}),
}


async def play(notes: ByUrl, dice: Random) -> None:
    """Write, in bursts, so that the relay makes many batches of it."""
    for step in range(WRITES):
        await notes.write(dice, KEYS)
        if step % 6 == 0:
            await asyncio.sleep(dice.random() * 0.02)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("row", OUTAGES)
async def test_the_index_equals_the_source_after(
    *, row: str, qdrant_url: str, endpoint: EmbeddingServer, embedder: OpenAIEmbedder, tmp_path: Path, seeds: range
) -> None:
    for seed in seeds:
        async with ByUrl.open(tmp_path, qdrant_url, embedder) as notes:
            endpoint.always = fault = Sometimes(Random(seed), 0.3, OUTAGES[row])
            async with notes.running():
                await play(notes, Random(seed))
                await notes.in_step()
            endpoint.always = None
            assert fault.fired
            await notes.judged()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("row", ["400", "NaN"])
async def test_only_texts_that_are_refused_are_dead_letters_and_their_next_versions_get_their_chance(
    *, row: str, qdrant_url: str, endpoint: EmbeddingServer, embedder: OpenAIEmbedder, tmp_path: Path, seeds: range
) -> None:
    endpoint.refuses = POISON if row == "400" else None
    endpoint.always = not_a_number_for(POISON) if row == "NaN" else None
    for seed in seeds[::2]:
        async with ByUrl.open(tmp_path, qdrant_url, embedder) as notes:
            poison = {f"poison{number}" for number in range(6)}
            async with notes.running():
                for number, key in enumerate(sorted(poison)):
                    await play_a_little(notes, Random(seed * 10 + number))
                    await notes.put(key, f"{POISON} {number}")
                await notes.in_step(poison)
                mended = set(sorted(poison)[::2])
                for key in mended:
                    await notes.put(key, "harmless")
                await notes.in_step(poison - mended)
            await notes.judged(poison - mended)


async def play_a_little(notes: ByUrl, dice: Random) -> None:
    for _ in range(12):
        await notes.write(dice, KEYS)


@pytest.mark.parametrize(
    "wrong", [lambda vectors: vectors[:, :16], lambda vectors: np.full_like(vectors, np.nan)], ids=["dimension", "NaN for all"]
)
async def test_a_model_that_is_wrong_for_every_text_ends_the_worker_and_buries_nobody(
    wrong: Callable[[Vectors], Vectors], qdrant_url: str, endpoint: EmbeddingServer, embedder: OpenAIEmbedder, tmp_path: Path
) -> None:
    """Waiting cannot mend it: whoever deployed it must hear of it. What was not indexed is still to come."""
    async with ByUrl.open(tmp_path, qdrant_url, embedder) as notes:
        endpoint.always = spoilt(wrong)
        await play(notes, Random(1))
        with pytest.raises(ExceptionGroup) as ended:
            async with notes.running():
                await asyncio.sleep(30)
        assert ended.group_contains(ConfigurationError)
        assert await notes.letters() == []
        assert await notes.living() == {}
        endpoint.always = None
        async with notes.running():
            await notes.in_step()
        await notes.judged()
