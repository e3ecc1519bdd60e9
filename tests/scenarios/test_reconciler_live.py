"""The reconciler beside a writer and an indexer that never rest: silent about what is in flight, not about damage done meanwhile."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncline_contracts.drift import DriftKind, DriftReport, Verdict
from syncline_contracts.identity import point_id
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.indexing.delivery import Delivery
from tests.parts.damage import Damage
from tests.parts.reconciling import COLLECTION, HOUR, THREE, TwoSides, kinds, note
from tests.parts.through import Through

LATENESS = 200_000
"""What the reconciler is told: less than the lag, so that its age alone does not excuse what is in flight."""
PUNCTUAL = 1_000_000
"""The engine writes an event again whose commit took longer."""
LAG = 0.5
DEADLINE = 20.0
QUIET = [note(f"quiet{number:02}") for number in range(12)]
BUSY = [note(f"busy{number}") for number in range(150)]


@dataclass
class Work:
    stop: asyncio.Event
    writes: int = 0
    rounds: int = 0


async def write_on(sides: TwoSides, work: Work) -> None:
    """Puts, deletions and extended expiries, as fast as the disk lets."""
    chance = random.Random(3)
    while not work.stop.is_set():
        ref = chance.choice(BUSY)
        row = await sides.row(ref)
        what = chance.random()
        if what < 0.1:
            await sides.delete(ref)
        elif what < 0.3 and row is not None and not row.deleted:
            await sides.extend(ref, sides.clock.now() + HOUR + work.writes)
        else:
            await sides.put(ref, THREE if what < 0.5 else f"text {work.writes}", expires_at=sides.clock.now() + HOUR)
        work.writes += 1


async def index_on(sides: TwoSides, work: Work) -> None:
    """A relay in few lines: late by LAG, and a mark that moves only behind what is handled, lateness left out."""
    seen: dict[Pos, OutboxRow] = {}
    while not work.stop.is_set():
        mark = Pos(sides.clock.now() - PUNCTUAL)
        rows = {row.pos: row for row in await sides.unhandled()}
        await sides.indexer.index([Delivery(row.event, "test") for pos, row in rows.items() if pos not in seen])
        await sides.checkpoint(mark)
        seen = rows
        work.rounds += 1
        await asyncio.sleep(LAG)


@asynccontextmanager
async def at_work(sides: TwoSides) -> AsyncIterator[Work]:
    work = Work(asyncio.Event())
    async with asyncio.TaskGroup() as group:
        group.create_task(write_on(sides, work))
        group.create_task(index_on(sides, work))
        try:
            yield work
        finally:
            work.stop.set()


async def check(sides: TwoSides, **given: Any) -> DriftReport:
    engine = Through(sides.engine, outbox=Through(sides.engine.outbox, lateness=LATENESS))
    reconciler = sides.reconciler(engine=engine, sleep=asyncio.sleep, settle=0.0, delay=0.05)
    return await reconciler.check(**given)


async def until_settled(sides: TwoSides) -> None:
    """The quiet documents are old enough to be judged: their damage is seen. Writes in flight stay what they are."""
    newest = max(row.revision for row in [await sides.row(ref) for ref in QUIET] if row is not None)
    deadline = time.monotonic() + DEADLINE
    while (
        min((mark or Pos(0)).at for mark in (await sides.engine.leases.marks()).values()) <= newest
        or sides.clock.now() - LATENESS <= newest
    ):
        assert time.monotonic() < deadline, "the marks do not move"
        await asyncio.sleep(0.02)


async def test_silent_about_writes_in_flight_and_not_about_damage(tmp_path: Path) -> None:
    async with TwoSides.open(tmp_path, Clock(), index=":memory:") as sides:
        for ref in QUIET:
            await sides.put(ref, THREE)
        async with at_work(sides) as work:
            await until_settled(sides)
            rounds, writes, young = work.rounds + 2, work.writes + 100, 0
            while work.rounds < rounds or work.writes < writes:
                report = await check(sides, sample=0.3)
                assert kinds(report) == {}
                young += report.young
            assert young > 0, "nothing was in flight: this shows nothing"

            await damage_some(sides)
            report = await check(sides, sample=1.0)
            assert kinds(report) == {
                "quiet00": DriftKind.MISSING,
                "quiet01": DriftKind.PASSAGE_GAP,
                "quiet02": DriftKind.STALE,
                "quiet03": DriftKind.CORRUPT,
                "stranger": DriftKind.ORPHAN,
            }

            await sides.reconciler().repair(report)
            deadline = time.monotonic() + DEADLINE
            while (again := await check(sides, sample=1.0)).verdict is not Verdict.IN_STEP:
                assert kinds(again).items() <= kinds(report).items(), "what is in flight was reported"
                assert time.monotonic() < deadline, "the repair does not come through"
        await sides.handle()  # nobody writes any more
        last = await check(sides, sample=1.0)
        assert (last.verdict, last.young) == (Verdict.IN_STEP, 0)


async def damage_some(sides: TwoSides) -> None:
    """Through the raw client that holds the folder."""

    async def damage(raw: Any) -> None:
        means = Damage(raw, COLLECTION)
        await means.lose(QUIET[0])
        await means.lose(QUIET[1], 1)
        await means.change(QUIET[2], {"revision": 7, "content_hash": "00" * 16})
        await means.corrupt(QUIET[3], 2)
        await means.orphan(note("stranger"), QUIET[4], revision=7)

    await sides.index._client.call(damage)
    assert len(await sides.index.vectors([point_id(note("stranger").document, 0)])) == 1
