"""The reconciler's scenarios of docs/protocol.md, replayed: D1, D2, T1, and each kind of drift made, named, repaired."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncline_contracts.drift import DriftKind, Verdict
from syncline_contracts.errors import IndexUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.revision import NEVER
from syncline_store.document import canonical, content_hash
from syncline_store.index.points import Mark
from syncline_sync_worker.reconcile import Progress, Scope, Stage
from tests.parts.clock import MINUTE, SECOND
from tests.parts.damage import Damage
from tests.parts.late_engine import LateEngine
from tests.parts.reconciling import COLLECTION, GRACE, HOUR, TwoSides, Watched, kinds, long_text, note

N1, N2, N3 = note("n1"), note("n2"), note("n3")
THREE = long_text("the cat sat on the mat", "the dog dug a hole", "the bird built a nest")


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[TwoSides]:
    async with TwoSides.open(tmp_path) as both:
        yield both


async def settled(sides: TwoSides, seconds: float = 60.0) -> None:
    """Everything is handled, and the settle window has passed."""
    await sides.handle()
    sides.time.forward(seconds)


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


# ------------------------------------------------------------------ each kind: made, named, repaired


async def repair_and_expect_nothing_left(sides: TwoSides, sample: float = 0.0) -> None:
    reconciler = sides.reconciler()
    report = await reconciler.check(sample=sample)
    assert report.verdict is Verdict.DRIFT
    repaired = await reconciler.repair(report)
    assert (repaired.repaired, repaired.refused) == (len(report.findings), None)
    handled = await sides.handle()
    assert {row.event.kind for row in handled} == {Kind.REPAIR}
    again = await sides.reconciler().check(sample=sample)
    assert (again.verdict, again.young, again.findings) == (Verdict.IN_STEP, 0, ())


async def test_missing_points_are_put_back(sides: TwoSides) -> None:
    for ref in (N1, N2, N3):
        await sides.put(ref, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        damage = Damage(raw, COLLECTION)
        await damage.lose(N1)
        for passage in range(3):
            await damage.lose(N2, passage)
    report = await sides.reconciler().check()
    assert kinds(report) == {"n1": DriftKind.MISSING, "n2": DriftKind.MISSING}
    assert (report.documents, report.points) == (3, 5)
    await repair_and_expect_nothing_left(sides)
    assert await sides.index.count() == 9


async def test_stale_points_of_a_restored_backup_are_brought_forward(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await sides.put(N2, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        old = [*await Damage(raw, COLLECTION).snapshot(N1), *await Damage(raw, COLLECTION).snapshot(N2, 3)]
    await sides.put(N1, THREE)
    await sides.put(N2, "two")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).put_back(old)
    assert kinds(await sides.reconciler().check()) == {"n1": DriftKind.STALE, "n2": DriftKind.STALE}
    await repair_and_expect_nothing_left(sides)
    assert await sides.index.count() == 4


async def test_an_index_ahead_of_its_source_is_named_and_no_repair_moves_it_back(sides: TwoSides) -> None:
    """The source was restored from a backup, say. The guard holds (invariant 3): who knows better deletes the points."""
    for ref in (N1, N2, N3):
        await sides.put(ref, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        damage = Damage(raw, COLLECTION)
        await damage.change(N1, {"revision": sides.clock.now() - SECOND * 30})
        await damage.change(N2, {"revision": sides.clock.now() + HOUR}, passage=2)
        await damage.change(N3, {"expires_at": NEVER + 1})
    ahead = dict.fromkeys(("n1", "n2", "n3"), DriftKind.STALE)
    report = await sides.reconciler().check()
    assert kinds(report) == ahead
    assert ["ahead" in finding.detail for finding in sorted(report.findings, key=lambda finding: finding.key)] == [True, False, True]
    await sides.reconciler().repair(report)
    await settled(sides)
    assert kinds(await sides.reconciler().check()) == ahead
    async with sides.behind_its_back() as raw:
        for ref, passage in ((N1, 0), (N2, 2), (N3, 0)):
            await Damage(raw, COLLECTION).lose(ref, passage)
    await repair_and_expect_nothing_left(sides)


async def test_a_deleted_document_that_a_backup_brought_back_is_an_orphan(sides: TwoSides) -> None:
    await sides.put(N1, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        old = await Damage(raw, COLLECTION).snapshot(N1, 3)
    await sides.delete(N1)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).put_back(old)
    report = await sides.reconciler().check()
    assert kinds(report) == {"n1": DriftKind.ORPHAN}
    assert "was deleted" in report.findings[0].detail
    await repair_and_expect_nothing_left(sides)
    assert [point.mark for point in (await sides.index.points([N1.document]))[N1.document]] == [Mark.DELETED]


async def test_orphans_without_a_row_are_removed_all_their_passages_too(sides: TwoSides) -> None:
    await sides.put(N1, THREE)
    await settled(sides)
    strange = note("never written", tenant="globex")
    future = note("from the future")
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).orphan(strange, N1, passages=3)
        await Damage(raw, COLLECTION).orphan(future, N1, passages=3, revision=sides.clock.now() + HOUR)
    report = await sides.reconciler().check()
    assert kinds(report) == {"never written": DriftKind.ORPHAN, "from the future": DriftKind.ORPHAN}
    assert {finding.tenant for finding in report.findings} == {"globex", "acme"}
    assert all("has no row" in finding.detail for finding in report.findings)
    await repair_and_expect_nothing_left(sides)
    assert len(await sides.index.vectors(await all_points(sides))) == 3


async def all_points(sides: TwoSides) -> list[str]:
    return [point async for block in sides.index.scan(0, 4095) for point in block.ids]


async def test_what_is_kept_out_of_the_index_is_an_orphan_there(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        old = await Damage(raw, COLLECTION).snapshot(N1)
    await sides.put(N1, "one", indexed=False)
    await settled(sides)
    assert kinds(await sides.reconciler().check()) == {}
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).put_back(old)
    assert kinds(await sides.reconciler().check()) == {"n1": DriftKind.ORPHAN}
    await repair_and_expect_nothing_left(sides)


async def test_another_model_is_embedded_anew(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await sides.put(N2, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).change(N1, {"model": "other"})
        await Damage(raw, COLLECTION).change(N2, {"model": "other"}, passage=2)
    assert kinds(await sides.reconciler().check()) == {"n1": DriftKind.WRONG_MODEL, "n2": DriftKind.WRONG_MODEL}
    await repair_and_expect_nothing_left(sides)


async def test_passages_that_are_lost_or_too_many_are_mended(sides: TwoSides) -> None:
    for ref in (N1, N2, N3):
        await sides.put(ref, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        damage = Damage(raw, COLLECTION)
        await damage.lose(N1, 1)
        await damage.surplus(N2, 3)
        await damage.surplus(N3, 7, revision=1)
    report = await sides.reconciler().check()
    assert kinds(report) == dict.fromkeys(("n1", "n2", "n3"), DriftKind.PASSAGE_GAP)
    assert {finding.key: finding.detail for finding in report.findings}["n1"] == "the head counts 3 passage(s), 2 live point(s) are there"
    await repair_and_expect_nothing_left(sides)
    assert await sides.index.count() == 9


async def test_corrupt_vectors_are_found_by_sampling_and_embedded_anew(sides: TwoSides) -> None:
    for ref in (N1, N2, N3):
        await sides.put(ref, THREE)
    await sides.put(note("n4"), "")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).corrupt(N1, 2)
        await Damage(raw, COLLECTION).lose_vector(N2, 1)
    assert (await sides.reconciler().check()).findings == (), "the columns do not show it"
    report = await sides.reconciler().check(sample=1.0)
    assert kinds(report) == {"n1": DriftKind.CORRUPT, "n2": DriftKind.CORRUPT}
    assert report.sampled == 9
    details = {finding.key: finding.detail for finding in report.findings}
    assert "passage 2: cosine" in details["n1"]
    assert details["n2"] == "passage 1 has no vector"
    await repair_and_expect_nothing_left(sides, sample=1.0)


async def test_a_cleared_payload_is_a_missing_head(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).clear(N1)
    assert kinds(await sides.reconciler().check()) == {"n1": DriftKind.MISSING}
    await repair_and_expect_nothing_left(sides)


async def test_tombstones_are_in_step_also_once_they_are_purged(sides: TwoSides) -> None:
    await sides.put(N1, THREE)
    await sides.put(N2, "stays")
    await settled(sides)
    await sides.delete(N1)
    await settled(sides)
    assert (await sides.reconciler().check()).verdict is Verdict.IN_STEP
    sides.time.forward(GRACE / SECOND + 60)
    assert await sides.index.purge(sides.clock.now(), GRACE) == 1
    assert (await sides.reconciler().check()).verdict is Verdict.IN_STEP


# ------------------------------------------------------------------ what a repair must not do


async def test_a_check_writes_nothing(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    assert (await sides.reconciler().check(sample=1.0)).verdict is Verdict.DRIFT
    assert await sides.unhandled() == []
    assert await sides.index.count() == 0


async def test_a_repair_is_an_event_and_touches_the_index_through_the_indexer_alone(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    reconciler = sides.reconciler()
    await reconciler.repair(await reconciler.check())
    assert await sides.index.count() == 0, "not yet: the event is not handled"
    (row,) = await sides.unhandled()
    assert (row.event.kind, row.event.ref) == (Kind.REPAIR, N1)


async def test_an_orphan_that_was_written_meanwhile_is_not_removed(sides: TwoSides) -> None:
    """The event names the point's state; the row that came since is another one."""
    await sides.put(N1, "one")
    await sides.put(N2, "two")
    await settled(sides)
    await sides.sql("DELETE FROM documents WHERE key = 'n1'")
    reconciler = sides.reconciler()
    report = await reconciler.check()
    assert kinds(report) == {"n1": DriftKind.ORPHAN}
    await reconciler.repair(report)
    await sides.put(N1, "alive")
    await settled(sides)
    assert (await sides.reconciler().check()).verdict is Verdict.IN_STEP
    assert [point.live for point in (await sides.index.points([N1.document]))[N1.document]] == [True]


async def test_a_source_that_looks_empty_is_no_reason_to_remove_everything(sides: TwoSides) -> None:
    for number in range(3):
        await sides.put(note(f"n{number}"), "text")
    await settled(sides)
    await sides.sql("DELETE FROM documents")
    reconciler = sides.reconciler()
    report = await reconciler.check()
    assert report.verdict is Verdict.UNKNOWN
    assert report.verdict.exit_code == 2
    assert report.refused is not None
    assert "source looks empty" in report.refused
    assert (await reconciler.repair(report)).repaired == 0
    assert await sides.unhandled() == []


async def test_removals_beyond_the_cap_are_refused_altogether(sides: TwoSides) -> None:
    for number in range(30):
        await sides.put(note(f"n{number}"), "text")
    await settled(sides)
    await sides.sql("DELETE FROM documents WHERE key < 'n2'")
    reconciler = sides.reconciler()
    report = await reconciler.check()
    assert report.by_kind == {DriftKind.ORPHAN: 12}
    repaired = await reconciler.repair(report)
    assert repaired.repaired == 0
    assert repaired.verdict is Verdict.DRIFT
    assert "max_share" in (repaired.refused or "")
    assert "max_repairs" in ((await reconciler.repair(report, max_share=1.0, max_repairs=11)).refused or "")
    assert await sides.unhandled() == []
    assert (await reconciler.repair(report, max_share=1.0)).repaired == 12


async def test_a_lost_index_is_repaired_run_by_run_up_to_the_count(sides: TwoSides) -> None:
    for number in range(30):
        await sides.put(note(f"n{number}"), "text")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        for number in range(30):
            await Damage(raw, COLLECTION).lose(note(f"n{number}"))
    left = []
    while len(left) < 4:
        reconciler = sides.reconciler(max_findings=20)
        report = await reconciler.check()
        left.append(len(report.findings) + report.unlisted)
        await reconciler.repair(report, max_repairs=12, max_share=1.0)
        await settled(sides)
    assert left == [30, 18, 6, 0]


# ------------------------------------------------------------------ scope, outages


async def test_a_tenants_check_sees_that_tenant_alone(sides: TwoSides) -> None:
    strangers = [note(f"n{number}", tenant="globex") for number in range(3)]
    for ref in (N1, N2, *strangers):
        await sides.put(ref, "text")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
        await Damage(raw, COLLECTION).lose(strangers[0])
    report = await sides.reconciler().check(Scope("globex"))
    assert (kinds(report), report.documents, report.points) == ({"n0": DriftKind.MISSING}, 3, 2)


async def test_the_parts_together_see_everything_once(sides: TwoSides) -> None:
    refs = [note(f"n{number}") for number in range(40)]
    for ref in refs:
        await sides.put(ref, "text")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        for ref in refs[::2]:
            await Damage(raw, COLLECTION).lose(ref)
    reports = [await sides.reconciler(range_documents=5).check(Scope(None, part, 3)) for part in (1, 2, 3)]
    assert sum(report.documents for report in reports) == 40
    assert sorted(key for report in reports for key in kinds(report)) == sorted(ref.key for ref in refs[::2])
    assert all(report.findings for report in reports)


async def test_progress_is_told_range_by_range_then_look_by_look(sides: TwoSides) -> None:
    for number in range(10):
        await sides.put(note(f"n{number}"), "text")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    told: list[Progress] = []
    await sides.reconciler(range_documents=3).check(progress=told.append)
    walked = [each for each in told if each.stage is Stage.WALK]
    assert [each.done for each in walked] == list(range(1, walked[-1].total + 1))
    assert (walked[-1].documents, walked[-1].suspects) == (10, 1)
    assert [(each.done, each.total) for each in told if each.stage is Stage.CONFIRM] == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize("side", ["source", "index", "horizon"])
async def test_a_side_that_does_not_answer_is_no_drift_but_could_not_tell(sides: TwoSides, side: str) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    watched = Watched(sides)

    async def out() -> None:
        raise IndexUnavailable("qdrant does not answer")

    watched.on("index", watched.nothing)
    watched.on(side, out)
    report = await sides.reconciler(engine=watched.engine, index=watched.index).check()
    assert (report.verdict, report.findings) == (Verdict.UNKNOWN, ())
    assert "qdrant does not answer" in (report.refused or "")


async def test_a_point_that_names_nobody_is_counted_and_nothing_is_repaired_for_it(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).orphan(N2, N1, tenant=None, revision=7)
    reconciler = sides.reconciler()
    report = await reconciler.check()
    assert (report.unnamed, report.findings, report.verdict) == (1, (), Verdict.DRIFT)
    assert (await reconciler.repair(report)).repaired == 0
