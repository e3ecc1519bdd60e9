"""What looks like drift and is none: clocks that differ within the bound, points that a scroll does not show."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.drift import DriftKind
from syncline_contracts.revision import MAX_AHEAD
from syncline_store.index.scan import IndexPoints
from syncline_sync_worker.reconcile.columns import NO_POINTS
from tests.parts.damage import Damage
from tests.parts.reconciling import COLLECTION, N1, N2, TwoSides, kinds, settled
from tests.parts.through import Through


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[TwoSides]:
    async with TwoSides.open(tmp_path) as both:
        yield both


@pytest.mark.parametrize("skew", [MAX_AHEAD, -MAX_AHEAD, -20 * MAX_AHEAD], ids=["ahead", "behind", "far behind"])
async def test_a_writer_whose_clock_differs_is_silent_in_flight_and_its_damage_is_found(sides: TwoSides, skew: int) -> None:
    """Ahead by the bound at most, no store opens beyond it. Behind, its revisions look old at once: their events hold them."""
    await sides.put(N1, "text", revision=(sides.clock.now() + skew) // 64 * 64)
    assert (await sides.reconciler().check()).findings == ()
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    assert kinds(await sides.reconciler().check()) == {"n1": DriftKind.MISSING}


async def test_points_that_a_scroll_does_not_show_are_no_drift(sides: TwoSides) -> None:
    """Qdrant defers points of a segment that is not optimised yet: scrolls skip them, requests by id give them."""
    for ref in (N1, N2):
        await sides.put(ref, "text")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N2)

    async def scan(*_: int) -> AsyncIterator[IndexPoints]:
        yield NO_POINTS

    hidden: Any = Through(sides.index, scan=scan)
    report = await sides.reconciler(index=hidden).check()
    assert report.points == 0
    assert kinds(report) == {"n2": DriftKind.MISSING}, "the one that is really lost"
