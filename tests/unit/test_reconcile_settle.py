"""The settle window: the lag that was measured lately, between its bounds, and beside D1's horizon, never in its place."""

from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from syncline_contracts.drift import DriftKind
from syncline_contracts.identity import Ref
from syncline_sync_worker.reconcile.horizon import read_horizon
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.reconcile.settle import REMEMBERED, Settle
from tests.parts.clock import SECOND
from tests.parts.damage import Damage
from tests.parts.reconciling import COLLECTION, N1, TwoSides, kinds, settled

LEAST, MOST = 5 * SECOND, 60 * SECOND


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[TwoSides]:
    async with TwoSides.open(tmp_path) as both:
        yield both


class Published:
    """A transport that holds an event of this age."""

    def __init__(self, at: int | None) -> None:
        self.at = at

    async def oldest(self) -> int | None:
        return self.at

    async def among(self, refs: Collection[Ref]) -> set[Ref]:
        assert refs
        return set()


@pytest.mark.parametrize(("lag", "window"), [(0, LEAST), (LEAST - 1, LEAST), (20 * SECOND, 20 * SECOND), (MOST + 1, MOST)])
def test_the_window_is_the_lag_between_its_bounds(lag: int, window: int) -> None:
    settle = Settle(LEAST, MOST)
    assert settle.window(0) == LEAST, "nothing was measured"
    settle.measured(lag, 0)
    assert settle.window(0) == window


def test_the_greatest_lag_counts_until_it_is_forgotten() -> None:
    settle = Settle(LEAST, MOST)
    for second, lag in enumerate((8, 30, 9, 12, 7)):
        settle.measured(lag * SECOND, second * SECOND)
    assert settle.window(4 * SECOND) == 30 * SECOND
    assert settle.window(REMEMBERED + 1 * SECOND) == 12 * SECOND
    assert settle.window(REMEMBERED + 3 * SECOND) == 7 * SECOND
    assert settle.window(REMEMBERED + 4 * SECOND) == LEAST


def test_the_upper_bound_is_never_below_the_lower_one() -> None:
    assert Settle(*ReconcileSettings(settle=90).settle_us).window(0) == 90 * SECOND


async def test_d1_no_bound_of_the_window_moves_the_horizon_past_an_unhandled_event(sides: TwoSides) -> None:
    """An hour of lag is beyond every bound: what was published an hour ago is in flight all the same."""
    an_hour_ago = sides.clock.now() - 3_600 * SECOND
    horizon = await read_horizon(sides.engine, sides.clock, Settle(LEAST, MOST), Published(an_hour_ago))
    assert horizon.before == an_hour_ago


async def test_the_transports_lag_counts_for_a_while_after_it_is_gone(sides: TwoSides) -> None:
    settle, transport = Settle(LEAST, MOST), Published(sides.clock.now() - 40 * SECOND)
    await read_horizon(sides.engine, sides.clock, settle, transport)
    transport.at = None
    await settled(sides, 0)
    horizon = await read_horizon(sides.engine, sides.clock, settle, transport)
    assert horizon.before == horizon.now - 40 * SECOND


async def test_what_is_younger_than_the_measured_lag_is_left_alone_until_it_is_older(sides: TwoSides) -> None:
    """No event is unhandled any more, and yet: who measures twenty seconds from put to search believes no difference of fifteen."""
    await sides.put(N1, "text")
    await settled(sides, 15)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    reconciler = sides.reconciler()
    reconciler.settle.measured(30 * SECOND, sides.clock.now())
    report = await reconciler.check()
    assert (report.findings, report.young) == ((), 1)
    assert kinds(await sides.reconciler().check()) == {"n1": DriftKind.MISSING}, "who measured nothing does not wait"
    sides.time.forward(30)
    assert kinds(await reconciler.check()) == {"n1": DriftKind.MISSING}
