"""A Qdrant that fails: whatever it does, in the end the index holds what the source says, and nobody is buried for its faults.

Each row of the table is played with seeds: documents are written, changed and deleted while relay and handler index them and the
server (tests/parts/servers/qdrant_rest) does wrong. `--soak` plays each many more times.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from qdrant_client import models

from syncline_contracts.drift import DriftKind, Verdict
from syncline_contracts.errors import IndexUnavailable
from syncline_contracts.identity import Ref, point_id
from syncline_store.index import client
from syncline_store.index.points import VECTOR
from tests.parts import by_url
from tests.parts.by_url import NOTES, TENANT, ByUrl
from tests.parts.servers.qdrant import QdrantProcess, stand_in

SEEDS, SOAK_SEEDS = 2, 40
WRITES, KEYS = 120, 30
OUT = 100
"""Refusals: those of all retries of a batch, then of many a probe."""
UPDATES = r"points/(batch|delete)"
POINTS = r"/points"

ROWS: dict[str, list[dict[str, Any]]] = {
    "500": [{"kind": "status", "path": POINTS, "status": 500, "probability": 0.25}],
    "503": [{"kind": "status", "path": POINTS, "status": 503, "probability": 0.25}],
    "429": [{"kind": "status", "path": POINTS, "status": 429, "probability": 0.25}],
    "429 with Retry-After": [{"kind": "status", "path": POINTS, "status": 429, "retry_after": "1", "probability": 0.3, "count": 2}],
    "slow": [{"kind": "slow", "path": POINTS, "delay": 0.1, "probability": 0.3}],
    "too slow": [{"kind": "slow", "path": UPDATES, "delay": 1.5, "probability": 0.3, "count": 3}],
    "acknowledged, then lost": [{"kind": "lost", "path": UPDATES, "probability": 0.25}],
    "cut before": [{"kind": "cut", "path": POINTS, "probability": 0.25}],
    "cut in mid-upsert": [{"kind": "half_cut", "path": UPDATES, "probability": 0.3}],
    "applied, then cut": [{"kind": "applied_cut", "path": UPDATES, "probability": 0.3}],
    "all of it": [
        {"kind": kind, "path": UPDATES, "probability": 0.08, "status": 500} for kind in ("status", "lost", "cut", "half_cut", "applied_cut")
    ],
}


@pytest.fixture(scope="module")
def process() -> Iterator[QdrantProcess]:
    with stand_in() as started:
        yield started


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 1)


async def play(notes: ByUrl, dice: Random) -> None:
    """Write, in bursts, so that the relay makes many batches of it."""
    for step in range(WRITES):
        await notes.write(dice, KEYS)
        if step % 6 == 0:
            await asyncio.sleep(dice.random() * 0.02)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("row", "workers"), [*((row, 1) for row in ROWS), ("cut in mid-upsert", 2), ("all of it", 2)])
async def test_the_index_equals_the_source_after(
    process: QdrantProcess, tmp_path: Path, row: str, workers: int, request: pytest.FixtureRequest
) -> None:
    fired = 0
    for seed in range(SOAK_SEEDS if request.getfixturevalue("soak") else SEEDS):
        async with ByUrl.open(tmp_path, process.url) as notes:
            try:
                for number, fault in enumerate(ROWS[row]):
                    process.faults.add(**fault, seed=seed * 10 + number)
                async with notes.running(twice=workers == 2):
                    await play(notes, Random(seed))
                    fired += process.faults.fired()
                    process.faults.clear()
                    await notes.in_step()
            finally:
                process.faults.clear()
            await notes.judged()  # after the relay has stopped: nothing may have come back
    assert fired >= SEEDS, "the server did nothing wrong"


@pytest.mark.parametrize("seed", range(3))
async def test_the_index_equals_the_source_after_the_server_was_killed_again_and_again(
    own_qdrant: QdrantProcess, tmp_path: Path, seed: int
) -> None:
    dice = Random(seed)
    async with ByUrl.open(tmp_path, own_qdrant.url) as notes:
        async with notes.running():
            for _ in range(3):
                await play(notes, dice)
                await asyncio.to_thread(own_qdrant.kill)
                await play(notes, dice)
                await asyncio.to_thread(own_qdrant.start)
            await notes.in_step()
        await notes.judged()


async def test_an_outage_longer_than_all_patience_loses_nothing(own_qdrant: QdrantProcess, tmp_path: Path) -> None:
    """Retries, probes and the relay's own patience are all used up while the server refuses everything."""
    async with ByUrl.open(tmp_path, own_qdrant.url) as notes:
        own_qdrant.faults.add("status", POINTS, status=503)
        async with notes.running():
            await play(notes, Random(1))
            async with asyncio.timeout(by_url.DEADLINE):
                while own_qdrant.faults.fired() < OUT:  # noqa: ASYNC110 - a server tells nobody
                    await asyncio.sleep(0.05)
            with pytest.raises(IndexUnavailable):
                await notes.living()
            assert await notes.letters() == []
            own_qdrant.faults.clear()
            await notes.in_step()
        await notes.judged()


# ---------------------------------------------------------------------- what no handler can notice


@pytest.fixture
async def notes(own_qdrant: QdrantProcess, tmp_path: Path) -> AsyncIterator[ByUrl]:
    async with ByUrl.open(tmp_path, own_qdrant.url) as opened:
        yield opened


async def test_what_was_acknowledged_and_is_lost_later_is_found_and_repaired_by_the_reconciler(
    own_qdrant: QdrantProcess, notes: ByUrl
) -> None:
    """The server goes back to a backup: documents that are missing, stale, and back from the dead."""
    relay, reconciler = await notes.relay(), await notes.reconciler()
    for number in range(20):
        await notes.put(f"n{number}", f"text {number}")
    await relay.drain(settle=True)
    backup = await asyncio.to_thread(own_qdrant.backup)
    for number in range(8):
        await notes.put(f"n{number}", f"changed {number}")
    for number in range(8, 12):
        await notes.delete(f"n{number}")
    for number in range(20, 26):
        await notes.put(f"n{number}", f"new {number}")
    await relay.drain(settle=True)
    await notes.in_step()
    assert (await reconciler.check(sample=1.0)).verdict is Verdict.IN_STEP
    await asyncio.to_thread(own_qdrant.restore, backup)
    report = await reconciler.check(sample=1.0)
    assert report.verdict is Verdict.DRIFT
    assert Counter(each.kind for each in report.findings) == {DriftKind.STALE: 8, DriftKind.ORPHAN: 4, DriftKind.MISSING: 6}
    repaired = await reconciler.repair(report)
    assert repaired.repaired == 18
    await relay.drain(settle=True)
    await notes.in_step()
    assert (await reconciler.check(sample=1.0)).verdict is Verdict.IN_STEP
    assert await notes.letters() == []


async def test_a_repair_at_the_same_revision_that_is_lost_is_found_again(own_qdrant: QdrantProcess, notes: ByUrl) -> None:
    """Nothing tells such a write from one that was applied but the vector itself."""
    relay, reconciler = await notes.relay(), await notes.reconciler()
    for number in range(5):
        await notes.put(f"n{number}", f"text {number}")
    await relay.drain(settle=True)
    index = await notes.parts.index()
    wrong = models.PointVectors(id=point_id(Ref(TENANT, NOTES, "n3").document, 0), vector={VECTOR: [1.0] * index.dimensions})
    await index._client.call(lambda qdrant: qdrant.update_vectors(index._collection, [wrong]))
    for lost in (1, 0):
        report = await reconciler.check(sample=1.0)
        assert [(each.key, each.kind) for each in report.findings] == [("n3", DriftKind.CORRUPT)]
        await reconciler.repair(report)
        if lost:
            own_qdrant.faults.add("lost", UPDATES, count=lost)
        await relay.drain(settle=True)
        assert own_qdrant.faults.fired() == 1
    assert (await reconciler.check(sample=1.0)).verdict is Verdict.IN_STEP
