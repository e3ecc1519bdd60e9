"""What a check and a repair must not do (docs/architecture.md, invariant 11), what a check covers, and outages."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.drift import DriftKind, Verdict
from syncline_contracts.errors import IndexUnavailable
from syncline_contracts.event import Kind
from syncline_contracts.identity import SYSTEM_TENANT, Ref
from syncline_sync_worker.reconcile import Progress, Scope, Stage
from tests.parts.damage import Damage
from tests.parts.reconciling import COLLECTION, N1, N2, THREE, TwoSides, Watched, kinds, note, settled


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[TwoSides]:
    async with TwoSides.open(tmp_path) as both:
        yield both


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


async def test_a_canarys_probe_makes_a_source_no_fuller(sides: TwoSides) -> None:
    """The watch of a source that was lost goes on writing probes into what is left of it."""
    await sides.put(note("n1"), "text")
    await settled(sides)
    await sides.sql("DELETE FROM documents")
    await sides.put(Ref(SYSTEM_TENANT, ("canary",), "1-1"), "probe")
    await settled(sides)
    report = await sides.reconciler().check()
    assert (report.verdict, report.documents) == (Verdict.UNKNOWN, 1)
    assert "source looks empty" in (report.refused or "")


async def test_where_another_tenant_has_documents_the_source_is_not_empty(sides: TwoSides) -> None:
    await sides.put(note("n1"), "text")
    await sides.put(note("n2", "globex"), "text")
    await settled(sides)
    await sides.sql("DELETE FROM documents WHERE key = 'n1'")
    report = await sides.reconciler().check(Scope("acme"))
    assert (report.documents, kinds(report)) == (0, {"n1": DriftKind.ORPHAN})


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


@pytest.mark.parametrize("passage", [0, 1])
@pytest.mark.parametrize("changed", [{"tenant": "globex"}, {"namespaces": ["elsewhere"]}, {"tenant": None}])
async def test_a_tenants_check_finds_its_documents_points_under_whatever_name(
    sides: TwoSides, changed: dict[str, Any], passage: int
) -> None:
    """The source's side knows the ids of its documents: a point that names another place is found by its document's, and not taken for
    missing."""
    for ref in (N1, N2, note("n2", tenant="globex")):
        await sides.put(ref, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).change(N1, changed, passage)
    for scope in (Scope("acme"), Scope("acme", namespace=("notes",))):
        report = await sides.reconciler().check(scope)
        assert kinds(report) == {"n1": DriftKind.PAYLOAD}
        assert report.findings[0].detail == f"the payload of passage {passage} disagrees in {next(iter(changed))}"
        assert (report.documents, report.points, report.sampled) == (2, 6, 0)
    assert (await sides.reconciler().repair(report)).repaired == 1
    await settled(sides)
    assert (await sides.reconciler().check(sample=1.0)).verdict is Verdict.IN_STEP


async def test_a_point_under_the_name_of_another_document_that_is_there_is_counted_where_no_row_tells_whose_it_is(sides: TwoSides) -> None:
    """By that name nothing may be looked at or repaired: it is another document's."""
    taken = note("n1", tenant="globex")
    for ref in (N1, N2, taken):
        await sides.put(ref, "text")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).change(N1, {"tenant": "globex"})
    assert kinds(await sides.reconciler().check(Scope("acme"))) == {"n1": DriftKind.PAYLOAD}
    of_the_other = await sides.reconciler().check(Scope("globex"))
    assert (of_the_other.unnamed, of_the_other.findings, of_the_other.verdict) == (1, (), Verdict.DRIFT), "globex's searches meet it"
    await sides.sql("DELETE FROM documents WHERE tenant = 'acme' AND key = 'n1'")
    reconciler = sides.reconciler()
    report = await reconciler.check()
    assert (report.unnamed, report.findings, report.verdict) == (1, (), Verdict.DRIFT)
    assert (await reconciler.repair(report)).repaired == 0


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
