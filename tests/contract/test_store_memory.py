"""Listing reads as much as it must and keeps as little as it can: 50,000 documents pass through a process that stays small."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.document import INDEX_NOT, Write, canonical, content_hash
from syncline_store.engines.protocol import Stored
from syncline_store.engines.sqlite import open_sqlite

DOCUMENTS = 50_000
PADDING = "x" * 1_000
EVERY = 10_000
GROWTH = 16_000
"""KB of resident memory: a tenth of what the values weigh, decoded."""

LIST = """
import asyncio, json, resource, sys
from syncline_store import open_store

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def main():
    async with open_store(sys.argv[1], indexing="relay") as store:
        acme = store.tenant("acme")
        await acme.list(limit=500)
        before, pages, found, cursor = peak(), 0, [], None
        while True:
            page = await acme.list(filter={"rare": True}, limit=3, cursor=cursor)
            found += [document.value["n"] for document in page.items]
            pages, cursor = pages + 1, page.after
            if cursor is None:
                break
        walked = 0
        async for document in acme.documents():
            walked += 1
        print(json.dumps({"grown": peak() - before, "pages": pages, "found": found, "walked": walked}))

asyncio.run(main())
"""


async def fill(path: Path) -> None:
    clock = Clock()
    engine = await open_sqlite(str(path), clock=clock)
    await engine.migrate()
    for first in range(0, DOCUMENTS, 1_000):
        writes = [_write(clock, n) for n in range(first, first + 1_000)]
        assert await engine.documents.write(writes) == [Stored()] * len(writes)
    await engine.aclose()


def _write(clock: Clock, n: int) -> Write:
    text = canonical({"n": n, "rare": n % EVERY == EVERY - 1, "text": PADDING})
    event = ChangeEvent.of(Ref("acme", ("notes",), f"{n:06}"), clock.tick(), Kind.WRITE, first_at=clock.now())
    return Write(text, content_hash(text), INDEX_NOT, event)


async def test_a_filter_that_few_of_many_satisfy_lists_completely_in_flat_memory(tmp_path: Path) -> None:
    await fill(tmp_path / "documents.db")
    command = [sys.executable, "-c", LIST, f"sqlite:///{tmp_path}/documents.db"]
    told = json.loads((await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)).stdout)
    assert told["found"] == [n for n in range(DOCUMENTS) if n % EVERY == EVERY - 1]
    assert told["walked"] == DOCUMENTS
    assert told["pages"] == 2
    assert told["grown"] < GROWTH, f"{told['grown']} KB"
