"""SIGKILL in each stage of a writer and of a relay with its handler, which write to an index by URL: what was under way lands or not."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash import processes
from tests.crash.killing import forking, start
from tests.crash.processes import Place
from tests.crash.test_crash import RELAYED, Size, finish_relayed, share
from tests.parts.servers.qdrant import QdrantProcess

LONGEST_LIFE = 0.5


@pytest.fixture
def size(*, soak: bool) -> Size:
    return Size(10_000, 60, random.randrange(1 << 30)) if soak else Size(1_000, 10, 20261122)


@pytest.mark.timeout(3600)
def test_a_writer_and_a_relay_are_killed_in_every_stage(
    own_qdrant: QdrantProcess, tmp_path: Path, size: Size, figure: Callable[[str], None]
) -> None:
    """What a killed handler had sent may still land afterwards, also behind what its successor wrote: here some of it is slow."""
    place, chance, context, died = Place(tmp_path, "relay", own_qdrant.url), random.Random(size.seed), forking(), Counter[str]()
    own_qdrant.faults.add("slow", "points/(batch|delete)", delay=0.05, probability=0.2, seed=size.seed)
    for number in range(size.rounds):
        wanted = RELAYED[number % len(RELAYED)]
        writer = start(context, place, "writer", processes.writer, share(size, number, place), chance.randrange(1 << 30))
        relay = start(context, place, "relay", processes.relay)
        first, second = (writer, relay) if wanted == "commit" else (relay, writer)
        died[first.kill_in(wanted, after=chance.uniform(0, LONGEST_LIFE))] += 1
        died[second.kill_after(chance.uniform(0, 0.1))] += 1
    own_qdrant.faults.clear()
    assert all(died[stage] for stage in RELAYED), f"not every stage was hit: {died} (seed {size.seed})"
    asyncio.run(finish_relayed(place, size))
    figure(f"killed, index by URL: {size.rounds} rounds, died in {dict(died)}")
