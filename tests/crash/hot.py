"""A writer at full speed: it changes a few documents again and again, as fast as the index follows."""

import asyncio
import random
from pathlib import Path
from typing import Any

from syncline_contracts.identity import Ref
from syncline_contracts.revision import now_us
from syncline_store import Store, open_store
from syncline_store.testing import WordEmbedder
from tests.parts.reconciling import long_text

TENANT = "acme"
HOT = ("hot",)
DOCUMENTS = 150
TOGETHER = 4
"""Changes that a writer has under way at once."""
BEHIND = 6_000_000
"""µs that the marks may lag: no faster than that, or what is repaired would wait behind an ever longer queue."""


class Count:
    """How many changes were acknowledged, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes = 0

    def add(self, more: int) -> None:
        self._changes += more
        self._path.write_text(f"{self._changes}\n")


def hot(key: int) -> Ref:
    return Ref(TENANT, HOT, f"h{key:03d}")


def writer(settings: dict[str, Any], count: str, seed: int) -> None:
    """A process's work, until it is killed. `count`: a file that says how many changes were acknowledged."""
    asyncio.run(_write(settings, Count(Path(count)), seed))


async def _write(settings: dict[str, Any], count: Count, seed: int) -> None:
    chance = random.Random(seed)
    async with open_store(**settings, embedder=WordEmbedder(32)) as store:  # it never embeds
        while True:
            if await _behind(store) > BEHIND:
                await asyncio.sleep(0.05)
                continue
            for _ in range(8):
                await asyncio.gather(*(_change(store, chance) for _ in range(TOGETHER)))
            count.add(8 * TOGETHER)


async def _behind(store: Store) -> int:
    marks = await store.parts.engine.leases.marks()
    return now_us() - min((mark.at for mark in marks.values() if mark is not None), default=now_us())


async def _change(store: Store, chance: random.Random) -> None:
    view, key = store.tenant(TENANT), hot(chance.randrange(DOCUMENTS)).key
    sentences = (f"word{chance.randrange(1000)} and word{chance.randrange(1000)}" for _ in range(chance.choice([1, 1, 3])))
    match chance.choice(["put"] * 6 + ["put for a while", "hide", "delete", "delete"]):
        case "delete":
            await view.delete(HOT, key)
        case "hide":
            await view.put(HOT, key, {"text": "hidden"}, index=False)
        case "put for a while":
            await view.put(HOT, key, {"text": long_text(*sentences)}, ttl=chance.choice([1, 2, 3, 3600]))
        case _:
            await view.put(HOT, key, {"text": long_text(*sentences)})
