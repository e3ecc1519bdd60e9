"""A walk's scope, its pace, and going on after a kill."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncline_contracts.drift import DriftKind, Verdict
from syncline_contracts.errors import IndexUnavailable, InvalidInput
from syncline_contracts.identity import SEGMENTS, Ref
from syncline_sync_worker.reconcile import Progress, Scope
from syncline_sync_worker.reconcile.pace import Pace
from syncline_sync_worker.reconcile.resume import Checkpoint
from tests.parts.damage import Damage
from tests.parts.reconciling import COLLECTION, TwoSides, kinds, note, settled

REFS = [note(f"n{number}") for number in range(30)]


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[TwoSides]:
    async with TwoSides.open(tmp_path) as both:
        yield both


async def damaged(sides: TwoSides) -> None:
    for ref in REFS:
        await sides.put(ref, "text")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        for ref in REFS[::3]:
            await Damage(raw, COLLECTION).lose(ref)


async def test_a_prefix_of_the_namespace_is_whole_names(sides: TwoSides) -> None:
    refs = [Ref("acme", namespace, "n1") for namespace in (("user",), ("user", "a"), ("users",))]
    for ref in refs:
        await sides.put(ref, "text")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        for ref in refs:
            await Damage(raw, COLLECTION).lose(ref)
    report = await sides.reconciler().check(Scope(namespace=("user",)))
    assert sorted(finding.namespace for finding in report.findings) == [("user",), ("user", "a")]
    assert report.documents == 2


async def test_a_range_of_segments_and_its_rest_see_everything_once(sides: TwoSides) -> None:
    await damaged(sides)
    scopes = [Scope(first=0, last=1_999), Scope(first=2_000, part=1, parts=2), Scope(first=2_000, part=2, parts=2)]
    reports = [await sides.reconciler().check(scope) for scope in scopes]
    assert sum(report.documents for report in reports) == len(REFS)
    assert sorted(key for report in reports for key in kinds(report)) == sorted(ref.key for ref in REFS[::3])


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (5, 4), (0, SEGMENTS)])
def test_a_range_that_does_not_exist_is_refused(first: int, last: int) -> None:
    with pytest.raises(InvalidInput):
        Scope(first=first, last=last)


async def test_differences_of_another_time_are_left_out(sides: TwoSides) -> None:
    await sides.put(note("old"), "text")
    sides.time.forward(3600)
    between = sides.clock.now()
    await sides.put(note("new"), "text")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        for key in ("old", "new"):
            await Damage(raw, COLLECTION).lose(note(key))
    assert kinds(await sides.reconciler().check(Scope(since=between))) == {"new": DriftKind.MISSING}
    assert kinds(await sides.reconciler().check(Scope(until=between))) == {"old": DriftKind.MISSING}


# ------------------------------------------------------------------ pace


async def test_a_walk_waits_for_its_pace() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    pace = Pace(100.0, sleep)
    assert (pace.per_range(20_000), pace.per_range(50)) == (500, 50)
    await pace.after(200)
    await pace.after(100)
    assert waited == [pytest.approx(2.0, abs=0.1), pytest.approx(3.0, abs=0.1)], "nobody slept, so the second waits for both"
    unbounded = Pace(None, sleep)
    assert unbounded.per_range(20_000) == 20_000
    await unbounded.after(10**9)
    assert len(waited) == 2


# ------------------------------------------------------------------ resuming


async def test_a_walk_that_was_killed_comes_to_the_same_report(sides: TwoSides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline_sync_worker.reconcile.resume.EVERY", 0.0)
    await damaged(sides)
    whole = await sides.reconciler(range_documents=5).check()
    state = tmp_path / "state.json"

    class KilledError(Exception):
        pass

    def kill_at_the_third(progress: Progress) -> None:
        if progress.done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        await sides.reconciler(range_documents=5).check(progress=kill_at_the_third, checkpoint=Checkpoint(state))
    assert state.exists()
    told: list[Progress] = []
    resumed = await sides.reconciler(range_documents=5).check(progress=told.append, checkpoint=Checkpoint(state))
    assert told[0].total == 4, "of seven ranges, four were left"
    assert kinds(resumed) == kinds(whole)
    assert (resumed.documents, resumed.points, resumed.verdict) == (whole.documents, whole.points, Verdict.DRIFT)
    assert not state.exists()


async def test_the_state_of_another_check_is_refused(sides: TwoSides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline_sync_worker.reconcile.resume.EVERY", 0.0)
    await damaged(sides)
    state = tmp_path / "state.json"

    def kill(_progress: Progress) -> None:
        raise IndexUnavailable("out")

    told = await sides.reconciler(range_documents=5).check(progress=kill, checkpoint=Checkpoint(state))
    assert told.verdict is Verdict.UNKNOWN
    assert state.exists(), "an outage leaves something to go on from"
    with pytest.raises(InvalidInput, match="another scope"):
        await sides.reconciler().check(Scope("acme"), checkpoint=Checkpoint(state))
    state.write_text("{}")
    with pytest.raises(InvalidInput, match="no state"):
        await sides.reconciler().check(checkpoint=Checkpoint(state))
