"""Processes are killed by SIGKILL at random moments, in every stage; afterwards nothing that was acknowledged is missing."""

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from syncline_store import open_store
from syncline_store.parts import open_parts
from tests.crash import processes
from tests.crash.killing import forking, start
from tests.crash.processes import Place, SlowEmbedder, make_relay, write
from tests.crash.truth import acknowledged, assert_in_step

RELAYED = ("publish", "commit", "embed", "upsert", "mark")
"""The stage that a round aims at: commit in the writer, the others in the relay."""

LONGEST_LIFE = 1.0
"""Seconds that a process works before a round begins to aim."""
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
ENOUGH = 300_000_000


@dataclass(frozen=True)
class Size:
    documents: int
    rounds: int
    seed: int


@pytest.fixture
def size(*, soak: bool) -> Size:
    return Size(20_000, 100, random.randrange(1 << 30)) if soak else Size(5_000, 20, 20261122)


@pytest.fixture
def folder(*, soak: bool, tmp_path: Path) -> Iterator[Path]:
    """In memory where that is possible: what a killed process wrote stays there as it stays on a disk, and no disk is waited for."""
    if soak or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ENOUGH:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="syncline-crash-") as made:
        yield Path(made)


def share(size: Size, round_number: int, place: Place) -> list[int]:
    """The documents of this round that were never acknowledged, those of earlier rounds first."""
    done = acknowledged(place)
    upto = size.documents * (round_number + 1) // size.rounds
    return [number for number in range(upto) if number not in done]


@pytest.mark.timeout(3600)
def test_a_writer_and_a_relay_are_killed_in_every_stage(folder: Path, size: Size) -> None:
    place, chance, context, died = Place(folder, "relay"), random.Random(size.seed), forking(), Counter[str]()
    for number in range(size.rounds):
        wanted = RELAYED[number % len(RELAYED)]
        writer = start(context, place, "writer", processes.writer, share(size, number, place), chance.randrange(1 << 30))
        relay = start(context, place, "relay", processes.relay)
        first, second = (writer, relay) if wanted == "commit" else (relay, writer)
        died[first.kill_in(wanted, after=chance.uniform(0, LONGEST_LIFE))] += 1
        died[second.kill_after(chance.uniform(0, 0.1))] += 1
    assert sum(died.values()) == 2 * size.rounds
    assert all(died[stage] for stage in RELAYED), f"not every stage was hit: {died} (seed {size.seed})"
    asyncio.run(finish_relayed(place, size))


async def finish_relayed(place: Place, size: Size) -> None:
    """A last run without a kill: what is left is written, everything is published, and both sides agree."""
    parts = await open_parts(place.settings, embedder=SlowEmbedder())
    async with open_store(place.settings) as store:
        await write(store, place, share(size, size.rounds - 1, place), size.seed)
    await (await make_relay(parts)).drain(settle=True)
    await assert_in_step(parts, place, size.documents)
    await parts.aclose()


@pytest.mark.timeout(3600)
def test_a_process_that_indexes_inline_is_killed_in_every_stage(folder: Path, size: Size) -> None:
    place, chance, context, died = Place(folder, "inline"), random.Random(size.seed), forking(), Counter[str]()
    for number in range(size.rounds):
        wanted = RELAYED[number % len(RELAYED)]
        process = start(context, place, "inline", processes.inline, share(size, number, place), chance.randrange(1 << 30))
        died[process.kill_in(wanted, after=chance.uniform(0, LONGEST_LIFE))] += 1
    assert sum(died.values()) == size.rounds
    assert all(died[stage] for stage in RELAYED), f"not every stage was hit: {died} (seed {size.seed})"
    asyncio.run(finish_inline(place, size))


async def finish_inline(place: Place, size: Size) -> None:
    """A last run without a kill: opening catches up, what is left is put."""
    async with open_store(place.settings, embedder=SlowEmbedder()) as store:
        await write(store, place, share(size, size.rounds - 1, place), size.seed)
        await store.catch_up()
        await assert_in_step(store.parts, place, size.documents)
