"""Two workers on one server, and poison in their batches: any order, any number of times, one index."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
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

WRITES, AT_A_TIME = 90, 2
"""Keys that are written to again and again before others take their turn: what went wrong with them is not mended by a later write."""
LATELY = 6
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


class Feed:
    """Every event once, in any order, and others again, to whoever asks: until the writer is done and all were given."""

    def __init__(self, notes: ByUrl, dice: Random) -> None:
        self.notes = notes
        self.dice = dice
        self.written = asyncio.Event()
        self._given: set[str] = set()

    async def work(self, handler: Handler) -> None:
        """Nothing is handled once more in the end: that would mend what was wrong."""
        while True:
            last, known = self.written.is_set(), await events(self.notes)
            fresh = [each for each in known if each.source not in self._given]
            if last and not fresh:
                return
            batch = self.dice.sample(fresh, min(len(fresh), 3)) + self.dice.sample(known[-LATELY:], min(len(known), LATELY, 2))
            self._given |= {each.source for each in batch}
            self.dice.shuffle(batch)
            await handle(handler, batch)


async def overtaken(notes: ByUrl, process: QdrantProcess, key: str, newer: Callable[[], Awaitable[int]]) -> None:
    """One worker's first request is held back by the server until another worker's newer revision has landed."""
    await notes.put(key, "\n\n".join("older".ljust(60, "x") for _ in range(3)))
    process.faults.add("held", "points/batch", count=1)
    older = asyncio.create_task(handle(await worker(notes), (await events(notes))[-1:]))
    async with asyncio.timeout(30):
        while not process.faults.fired():  # noqa: ASYNC110 - a server tells nobody
            await asyncio.sleep(0.005)
    await newer()
    await handle(await worker(notes), (await events(notes))[-1:])
    process.faults.clear()
    await older


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slow", [0.0, 0.4], ids=["as it is", "requests overtake one another"])
async def test_events_out_of_order_and_many_times_by_two_workers_at_once(
    slow: float, process: QdrantProcess, qdrant_url: str, tmp_path: Path, seeds: range
) -> None:
    for seed in seeds if slow else seeds[::2]:
        async with ByUrl.open(tmp_path, qdrant_url) as notes:
            if slow:
                process.faults.add("slow", "points/(batch|delete)", delay=0.08, probability=slow, seed=seed)
            feed = Feed(notes, Random(seed))
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(feed.work(await worker(notes)))
                for number in range(WRITES):
                    await notes.write(feed.dice, AT_A_TIME, first=number // 4)
                    await asyncio.sleep(feed.dice.random() * 0.02)
                feed.written.set()
            process.faults.clear()
            if slow:
                await overtaken(notes, process, "changed", lambda: notes.put("changed", "newer"))
                await overtaken(notes, process, "deleted", lambda: notes.delete("deleted"))
            await notes.judged()


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
