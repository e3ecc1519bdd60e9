"""Two workers on one server, and poison in their batches: any order, any number of times, one index."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from syncline_store.embedding.openai import OpenAIEmbedder
from syncline_store.engines.protocol import Pos
from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.handler import Done, Handler
from tests.parts.by_url import QUICK_HANDLER, ByUrl
from tests.parts.servers.embedding import EmbeddingServer
from tests.parts.servers.qdrant import QdrantProcess

KEYS, STEPS = 6, 12
POISON = "POISON"


async def events(notes: ByUrl) -> list[Delivery]:
    outbox = notes.parts.engine.outbox
    rows = [row for shard in range(outbox.shards) for row in await outbox.read(shard, Pos(0), Pos(2**62), 100_000)]
    return [Delivery(row.event, f"outbox/{row.shard}/{row.pos}") for row in sorted(rows, key=lambda row: row.pos)]


async def worker(notes: ByUrl) -> Handler:
    return Handler(await notes.parts.indexer(), notes.parts.engine.dead_letters, clock=notes.parts.clock, settings=QUICK_HANDLER)


async def handle(handler: Handler, deliveries: Sequence[Delivery]) -> None:
    """As a transport does: the same again after a pause."""
    while not isinstance(await handler.handle(deliveries), Done):  # noqa: ASYNC110 - the handler is what is waited for
        await asyncio.sleep(0.05)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slow", [0.0, 0.4], ids=["as it is", "requests overtake one another"])
async def test_events_out_of_order_and_many_times_by_two_workers_at_once(
    slow: float, process: QdrantProcess, qdrant_url: str, tmp_path: Path, seeds: range
) -> None:
    for seed in seeds:
        dice = Random(seed)
        async with ByUrl.open(tmp_path, qdrant_url) as notes:
            if slow:
                process.faults.add("slow", "points/(batch|delete)", delay=0.05, probability=slow, seed=seed)
            first, second = await worker(notes), await worker(notes)
            for _ in range(STEPS):
                async with asyncio.TaskGroup() as group:
                    for handler in (first, second):
                        group.create_task(handle(handler, shuffled(await events(notes), dice)))
                    for _ in range(4):
                        await notes.write(dice, KEYS)
                        await asyncio.sleep(dice.random() * 0.01)
            everything = await events(notes)
            await asyncio.gather(*(handle(handler, dice.sample(everything, len(everything))) for handler in (first, second)))
            process.faults.clear()
            await notes.judged()


def shuffled(deliveries: Sequence[Delivery], dice: Random) -> list[Delivery]:
    """Some of them, in any order, some twice."""
    return dice.choices(deliveries, k=min(8, len(deliveries))) if deliveries else []


async def test_one_poison_in_the_middle_of_five_hundred(
    qdrant_url: str, endpoint: EmbeddingServer, embedder: OpenAIEmbedder, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """It costs a few requests more, and nobody else anything."""
    endpoint.refuses = POISON
    async with ByUrl.open(tmp_path, qdrant_url, embedder) as notes:
        for number in range(500):
            await notes.put(f"n{number}", f"{POISON if number == 250 else 'text'} {number}")
        verdict = await (await worker(notes)).handle(await events(notes))
        assert verdict == Done({"embed": 499, "dead_letter": 1})
        refused = sum(any(POISON in text for text in asked.texts) for asked in endpoint.asked)
        figure(f"poison: {len(endpoint.asked)} requests for 500 texts, {refused} of them with the poison")
        assert refused <= 16
        (letter,) = await notes.letters()
        assert (letter.key, letter.error, letter.attempts) == ("n250", "DocumentRefused", 3)
        await notes.put("n250", "harmless")
        assert await (await worker(notes)).handle((await events(notes))[-1:]) == Done({"embed": 1})
        await notes.judged()
