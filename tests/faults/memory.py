"""A handler on an index by URL, event after event: how much memory its process holds. `python -m tests.faults.memory EVENTS URL` prints it."""

import asyncio
import gc
import json
import sys
import tempfile
import uuid
from pathlib import Path

from syncline_store import open_store
from syncline_store.engines.protocol import Engine, OutboxRow, Pos
from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.handler import Done, Handler
from tests.parts.embedders import NullEmbedder

DOCUMENTS = 2_000
BATCH = 500
LOOKS = 10


def resident_mb() -> float:
    """What this process holds now by itself (Linux): without the pages of files, which the kernel takes back as it likes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) / 1024


async def since(engine: Engine, marks: list[Pos]) -> list[Delivery]:
    """What was written since the last look; the marks move on."""
    found: list[OutboxRow] = []
    for shard in range(engine.outbox.shards):
        rows = await engine.outbox.read(shard, marks[shard], Pos(2**62), 2 * BATCH)
        marks[shard] = rows[-1].pos if rows else marks[shard]
        found += rows
    return [Delivery(row.event, f"outbox/{row.shard}/{row.pos}") for row in found]


async def measure(events: int, url: str, folder: str) -> list[float]:
    """MB at each of LOOKS times. Documents are changed again and again, so that nothing but the number of events grows."""
    looks = []
    opening = open_store(f"sqlite:///{folder}/documents.db", embedder=NullEmbedder(64), index=url, collection=uuid.uuid4().hex)
    async with opening as store:
        tenant, parts = store.tenant("acme"), store.parts
        handler = Handler(await parts.indexer(), parts.engine.dead_letters, clock=parts.clock)
        marks = [Pos(0)] * parts.engine.outbox.shards
        for done in range(0, events, BATCH):
            numbers = [(done + number) % DOCUMENTS for number in range(BATCH)]
            await tenant.put_many((("notes",), f"n{number}", {"text": f"text {done} {number}", "n": done}) for number in numbers)
            deliveries = await since(parts.engine, marks)
            assert len(deliveries) == BATCH
            assert await handler.handle(deliveries) == Done({"embed": BATCH})
            if (done + BATCH) % (events // LOOKS) == 0:
                gc.collect()
                looks.append(resident_mb())
    return looks


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        sys.stdout.write(json.dumps(asyncio.run(measure(int(sys.argv[1]), sys.argv[2], made))) + "\n")
