"""The reconciler's scenarios of docs/protocol.md, replayed: D1, D2, T1."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncline_contracts.drift import DriftKind, Verdict
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.revision import NEVER
from syncline_store.document import canonical, content_hash
from tests.parts.clock import MINUTE, SECOND
from tests.parts.damage import Damage
from tests.parts.late_engine import LateEngine
from tests.parts.reconciling import (
    COLLECTION,
    GRACE,
    HOUR,
    N1,
    N2,
    N3,
    THREE,
    TwoSides,
    Watched,
    kinds,
    repair_and_expect_nothing_left,
    settled,
)


@pytest.fixture(params=["folder", "server"])
async def sides(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TwoSides]:
    index = request.getfixturevalue("qdrant").url if request.param == "server" else None
    async with TwoSides.open(tmp_path, index=index) as both:
        yield both


# ------------------------------------------------------------------ D1: writes in flight


async def test_d1_a_new_document_in_flight_is_silent_however_long_it_takes(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    sides.time.forward(3600)
    report = await sides.reconciler().check()
    assert (report.verdict, report.young) == (Verdict.IN_STEP, 1)
    await settled(sides)
    assert (await sides.reconciler().check()).young == 0


async def test_d1_a_change_and_a_deletion_in_flight_are_silent(sides: TwoSides) -> None:
    for ref in (N1, N2):
        await sides.put(ref, "one")
    await settled(sides)
    await sides.put(N1, "two")
    await sides.delete(N2)
    sides.time.forward(3600)
    report = await sides.reconciler().check()
    assert (report.verdict, report.young) == (Verdict.IN_STEP, 2)


async def test_d1_an_old_difference_is_found_while_other_writes_are_in_flight(sides: TwoSides) -> None:
    for ref in (N1, N2):
        await sides.put(ref, "one")
    await settled(sides)
    await sides.put(N3, "in flight")
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    sides.time.forward(3600)
    report = await sides.reconciler().check()
    assert kinds(report) == {"n1": DriftKind.MISSING}
    assert report.young == 1


async def test_d1_a_writer_that_stalled_between_its_revision_and_its_commit_is_silent(sides: TwoSides) -> None:
    """Its revision is old, its event is not: age alone would call it drift."""
    revision = sides.clock.tick()
    sides.time.forward(600)
    await sides.handle()
    watched = Watched(sides)

    async def commits() -> None:
        await sides.put(N1, "late", revision=revision)

    watched.on("horizon", commits)
    report = await sides.reconciler(engine=watched.engine, index=watched.index).check()
    assert (report.verdict, report.young) == (Verdict.IN_STEP, 1)


async def test_d1_a_refresh_of_the_expiry_in_flight_is_silent(sides: TwoSides) -> None:
    """It has its row's revision, an old one."""
    start = sides.clock.now()
    await sides.put(N1, "one", expires_at=start + 2 * HOUR)
    await settled(sides)
    await sides.extend(N1, start + 9 * HOUR)
    sides.time.forward(600)
    report = await sides.reconciler().check()
    assert (report.verdict, report.young) == (Verdict.IN_STEP, 1)
    await settled(sides)
    assert (await sides.reconciler().check()).young == 0


async def test_d1_a_deferred_event_is_unhandled(sides: TwoSides) -> None:
    """Its place in the outbox is in the future, its revision is old."""
    await sides.put(N1, "one")
    (published,) = await sides.unhandled()
    sides.time.forward(600)
    await sides.engine.outbox.append([published.event], due=sides.clock.now() + 20 * SECOND)
    await sides.checkpoint(published.pos)  # it was published, but put back: its row had not surfaced yet
    report = await sides.reconciler().check()
    assert (report.verdict, report.young) == (Verdict.IN_STEP, 1)


async def test_d1_a_document_whose_event_surfaces_late_is_silent(sides: TwoSides) -> None:
    """The row can be read at once, its event minutes later: until then nobody can have handled it."""
    late = LateEngine(sides.engine, sides.time, outbox_lateness=5 * MINUTE)
    late.delays.outbox[N1] = 4 * MINUTE
    await sides.put(N1, "one")
    for _ in range(5):
        report = await sides.reconciler(engine=late).check()
        assert (report.verdict, report.young) == (Verdict.IN_STEP, 1)
        sides.time.forward(70)


async def test_d1_a_refresh_of_the_expiry_whose_event_surfaces_late_is_silent(sides: TwoSides) -> None:
    """Nothing tells its age, so the looks are as far apart as its event may take to surface."""
    late = LateEngine(sides.engine, sides.time, outbox_lateness=5 * MINUTE)
    start = sides.clock.now()
    await sides.put(N1, "one", expires_at=start + 2 * HOUR)
    await settled(sides, 3600)
    late.delays.outbox[N1] = 4 * MINUTE
    await sides.extend(N1, start + 9 * HOUR)
    report = await sides.reconciler(engine=late).check()
    assert (report.verdict, report.young) == (Verdict.IN_STEP, 1)


async def test_d1_what_mends_itself_before_a_further_look_is_silent(sides: TwoSides) -> None:
    """Another reconciler's repair, say: old revisions, handled between the looks."""
    await sides.put(N1, "one")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    row = await sides.row(N1)
    assert row is not None

    async def repaired(_seconds: float) -> None:
        event = ChangeEvent.of(N1, row.revision, Kind.REPAIR, first_at=row.revision)
        await sides.engine.outbox.append([event])
        await sides.handle()

    report = await sides.reconciler(sleep=repaired).check()
    assert (report.verdict, report.findings) == (Verdict.IN_STEP, ())


async def test_d1_a_difference_that_changes_between_the_looks_is_silent(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    written = 0

    async def writes(seconds: float) -> None:
        nonlocal written
        written += 1
        await sides.put(N1, f"text {written}")
        sides.time.forward(seconds)

    assert (await sides.reconciler(sleep=writes).check()).findings == ()
    assert written == 1, "a look that sees something else ends it"


async def test_another_difference_than_before_is_left_to_the_next_check(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        (point,) = await Damage(raw, COLLECTION).snapshot(N1)
        await Damage(raw, COLLECTION).lose(N1)
    point.payload = {**(point.payload or {}), "revision": 7}

    async def put_back(_seconds: float) -> None:
        await sides.index._client.call(lambda qdrant: Damage(qdrant, COLLECTION).put_back([point]))

    assert (await sides.reconciler(sleep=put_back).check()).findings == ()
    assert kinds(await sides.reconciler().check()) == {"n1": DriftKind.STALE}


async def test_d1_each_look_asks_for_unhandled_events_first_and_reads_the_sides_in_the_safe_order(sides: TwoSides) -> None:
    for ref in (N1, N2):
        await sides.put(ref, "one")
    await settled(sides)
    watched = Watched(sides)
    assert kinds(await sides.reconciler(engine=watched.engine, index=watched.index).check()) == {}
    assert watched.order == ["horizon", "source", "index"]

    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    watched = Watched(sides)
    assert kinds(await sides.reconciler(engine=watched.engine, index=watched.index).check()) == {"n1": DriftKind.MISSING}
    assert watched.order == ["horizon", "source", "index"] * 3

    await sides.sql("DELETE FROM documents WHERE key = 'n2'")
    await sides.put(N1, "two")
    await settled(sides)
    watched = Watched(sides)
    assert kinds(await sides.reconciler(engine=watched.engine, index=watched.index).check()) == {"n2": DriftKind.ORPHAN}
    assert watched.order == ["horizon", "source", "index", *["horizon", "index", "source"] * 2]


async def test_d1_a_revision_from_beyond_the_clock_is_not_in_flight(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).change(N1, {"revision": sides.clock.now() + HOUR})
    assert kinds(await sides.reconciler().check()) == {"n1": DriftKind.STALE}


# ------------------------------------------------------------------ D2: expiry and sweep


async def test_d2_an_expired_document_is_silent_before_and_after_row_and_points_are_swept(sides: TwoSides) -> None:
    start = sides.clock.now()
    await sides.put(N1, THREE, expires_at=start + HOUR)
    await sides.put(N2, "stays")
    await settled(sides)
    sides.time.forward(3600)
    assert (await sides.reconciler().check()).findings == ()
    await sides.sql("DELETE FROM documents WHERE key = 'n1'")  # what a TTL does
    report = await sides.reconciler().check()
    assert (report.findings, report.points) == ((), 4)
    sides.time.forward(GRACE / SECOND)
    assert await sides.index.purge(sides.clock.now(), GRACE) == 3
    assert (await sides.reconciler().check()).findings == ()


async def test_d2_a_document_that_expires_between_the_reads_of_the_two_sides_is_silent(sides: TwoSides) -> None:
    start = sides.clock.now()
    await sides.put(N1, "one", expires_at=start + HOUR)
    await settled(sides, 3599)
    watched = Watched(sides)

    async def expires() -> None:
        sides.time.forward(2)
        await sides.sql("DELETE FROM documents WHERE key = 'n1'")
        await sides.index.purge(sides.clock.now(), 0)

    watched.on("source", expires)
    report = await sides.reconciler(engine=watched.engine, index=watched.index).check()
    assert (report.findings, report.documents, report.points) == ((), 1, 0)


async def test_d2_put_again_after_the_row_expired_the_sweep_between_two_looks(sides: TwoSides) -> None:
    """The model's counterexample to a naive comparison: it called the old point an orphan, three looks long."""
    start = sides.clock.now()
    await sides.put(N1, "one", expires_at=start + HOUR)
    await settled(sides, 3600)
    await sides.sql("DELETE FROM documents WHERE key = 'n1'")
    slept = 0

    async def goes_on(seconds: float) -> None:
        nonlocal slept
        slept += 1
        sides.time.forward(seconds)
        await sides.put(N1, "again", expires_at=sides.clock.now() + HOUR)

    report = await sides.reconciler(sleep=goes_on).check()
    assert (report.findings, slept) == ((), 0), "there was nothing to look at again"


async def test_d2_a_row_that_outlives_its_expiry_wants_no_points(sides: TwoSides) -> None:
    await sides.put(N1, "one", expires_at=sides.clock.now() + HOUR)
    await settled(sides, 3601)
    assert (await sides.row(N1)) is not None
    assert (await sides.reconciler().check()).findings == ()
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).change(N1, {"expires_at": NEVER})
    assert kinds(await sides.reconciler().check()) == {"n1": DriftKind.ORPHAN}


# ------------------------------------------------------------------ T1: two writes of one revision


async def same_revision_other_content(sides: TwoSides, text: str) -> None:
    """What the later of two conditional writes of one microsecond leaves."""
    value = canonical({"text": text})
    await sides.sql("UPDATE documents SET value = ?, content_hash = ? WHERE key = 'n1'", value, content_hash(value))


async def test_t1_two_writes_of_one_revision_are_told_apart_and_mended(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    await same_revision_other_content(sides, "another one")
    report = await sides.reconciler().check()
    assert kinds(report) == {"n1": DriftKind.STALE}
    assert report.findings[0].source_revision == report.findings[0].index_revision
    await repair_and_expect_nothing_left(sides)


async def test_t1_every_point_is_compared_not_the_head_alone(sides: TwoSides) -> None:
    await sides.put(N1, THREE)
    await sides.put(N2, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        damage = Damage(raw, COLLECTION)
        await damage.change(N1, {"content_hash": "ab" * 16}, passage=2)
        await damage.change(N2, {"expires_at": NEVER - 1}, passage=1)
    assert kinds(await sides.reconciler().check()) == {"n1": DriftKind.STALE, "n2": DriftKind.STALE}
    await repair_and_expect_nothing_left(sides)
