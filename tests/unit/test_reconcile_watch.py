"""The watch over two real sides: what it measures, keeps, tells and repairs, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.audit import Action
from syncline_contracts.drift import DriftKind, Verdict
from syncline_contracts.errors import IndexUnavailable, InvalidInput, StorageUnavailable
from syncline_store.engines.protocol import AuditFilter
from syncline_sync_worker.alerts import Alert, AlertSettings, Severity
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.reconcile import Scope
from syncline_sync_worker.reconcile.reports import Reports
from syncline_sync_worker.reconcile.settings import WatchSettings
from syncline_sync_worker.reconcile.watch import Watch
from tests.parts.consuming import until
from tests.parts.damage import Damage
from tests.parts.reconciling import COLLECTION, N1, N2, N3, TwoSides, Watched, note, settled
from tests.parts.through import Through


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[TwoSides]:
    async with TwoSides.open(tmp_path) as both:
        yield both


class Told:
    """A watch that ends after so many walks, and whom it told what."""

    def __init__(
        self,
        sides: TwoSides,
        walks: int = 1,
        *,
        repair: bool = False,
        deaf: bool = False,
        audit: Any = None,
        settings: WatchSettings | None = None,
        **given: Any,
    ) -> None:
        self.alerts: list[Alert] = []
        self.metrics = Metrics(now=sides.clock.now)
        self._deaf = deaf
        self.stop = asyncio.Event()
        self._walks = walks
        self.watch = Watch(
            sides.reconciler(**given),
            audit or sides.engine.audit,
            clock=sides.clock,
            scope=Scope(),
            settings=settings or WatchSettings(interval=0, sample=0, repair=repair),
            alerts=AlertSettings(),
            send=self._send,
            metrics=self.metrics,
        )

    async def _send(self, alert: Alert) -> bool:
        self.alerts.append(alert)
        return not self._deaf

    async def run(self) -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            group.create_task(self.watch.run(self.stop))
            group.create_task(self._end())

    async def _end(self) -> None:
        await until(lambda: self._walked() >= self._walks)
        self.stop.set()

    def _walked(self) -> float:
        return sum(self.value("syncline_reconcile_walks_total", verdict=verdict.value) for verdict in Verdict)

    def value(self, name: str, **labels: str) -> float:
        found = self.metrics.registry.get_sample_value(name, labels)
        assert found is not None, name
        return found


async def lost(sides: TwoSides, *refs: Any) -> None:
    async with sides.behind_its_back() as raw:
        for ref in refs:
            await Damage(raw, COLLECTION).lose(ref)


async def in_step(sides: TwoSides) -> None:
    for ref in (N1, N2, N3):
        await sides.put(ref, "text")
    await settled(sides)


async def test_drift_is_measured_kept_and_told_once(sides: TwoSides) -> None:
    await in_step(sides)
    await lost(sides, N1)
    watched = Told(sides, walks=3)
    await watched.run()
    assert watched.value("syncline_reconcile_drift", kind=DriftKind.MISSING) == 1
    assert watched.value("syncline_reconcile_drift", kind=DriftKind.ORPHAN) == 0
    assert watched.value("syncline_reconcile_documents") == 3
    assert watched.value("syncline_reconcile_oldest_drift_seconds") >= 60
    assert [alert.severity for alert in watched.alerts] == [Severity.WARNING]
    kept = [each async for each in Reports(sides.engine.audit).newest()]
    assert {each.verdict for each in kept} == {"drift"}
    assert len(kept) >= 3
    assert await sides.unhandled() == [], "it repairs nothing unless asked to (invariant 11)"


async def test_points_that_do_not_say_whose_they_are_are_measured(sides: TwoSides) -> None:
    await in_step(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).orphan(note("n4"), N1, tenant=None, revision=7)
    watched = Told(sides)
    await watched.run()
    assert watched.value("syncline_reconcile_unnamed") == 1
    assert watched.value("syncline_reconcile_walks_total", verdict=Verdict.DRIFT) >= 1


async def test_the_end_is_told_too_and_an_outage_ends_nothing(sides: TwoSides) -> None:
    await in_step(sides)
    await lost(sides, N1)
    first = Told(sides)
    await first.run()
    seen = Watched(sides)

    async def out() -> None:
        raise IndexUnavailable("qdrant does not answer")

    async def mended() -> None:
        reconciler = sides.reconciler()
        await reconciler.repair(await reconciler.check())
        await settled(sides)

    seen.on("index", out)
    seen.on("horizon", mended)
    watched = Told(sides, walks=3, engine=seen.engine, index=seen.index)
    watched.watch._alarm = first.watch._alarm
    await watched.run()
    assert [alert.severity for alert in watched.alerts] == [Severity.WARNING, Severity.RESOLVED]
    assert "qdrant does not answer" in watched.alerts[0].body
    assert watched.value("syncline_reconcile_walks_total", verdict=Verdict.UNKNOWN) == 1
    assert watched.value("syncline_reconcile_drift", kind=DriftKind.MISSING) == 0


async def test_it_repairs_when_asked_to_within_the_caps_and_writes_down_that_it_did(sides: TwoSides) -> None:
    for number in range(30):
        await sides.put(note(f"n{number}"), "text")
    await settled(sides)
    await lost(sides, *(note(f"n{number}") for number in range(4)))
    watched = Told(sides, repair=True)
    await watched.run()
    assert len(await sides.unhandled()) >= 4
    assert watched.value("syncline_reconcile_repairs_total") >= 4
    records = (await sides.engine.audit.scan(None, 50, where=AuditFilter(action=Action.REPAIR))).items
    assert [(record.details["repaired"], record.outcome) for record in records] == [(4, "done")]
    await settled(sides)
    await lost(sides, *(note(f"n{number}") for number in range(20)))
    refused = Told(sides, repair=True)
    await refused.run()
    assert await sides.unhandled() == []
    assert "max_share" in refused.alerts[0].body


async def test_an_alert_that_nobody_took_is_counted_and_told_again(sides: TwoSides) -> None:
    await in_step(sides)
    await lost(sides, N1)
    watched = Told(sides, walks=2, deaf=True)
    await watched.run()
    assert len(watched.alerts) >= 2
    assert watched.value("syncline_reconcile_alerts_failed_total") == len(watched.alerts)


async def test_a_stop_gives_up_the_walk_under_way(sides: TwoSides) -> None:
    await in_step(sides)
    await lost(sides, N1)
    watched: Told

    async def stopped(_seconds: float) -> None:
        watched.stop.set()
        await asyncio.sleep(60)

    watched = Told(sides, sleep=stopped)
    async with asyncio.timeout(10):
        await watched.watch.run(watched.stop)
    assert watched.alerts == []


async def test_a_watch_that_has_never_told_says_for_how_long(sides: TwoSides) -> None:
    watched = Told(sides)
    watched.stop.set()
    await watched.watch.run(watched.stop)
    sides.time.forward(30)
    assert watched.value("syncline_reconcile_age_seconds") == pytest.approx(30)


async def test_it_samples_and_keeps_to_its_rate_and_rests(sides: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    await in_step(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).corrupt(N1)
    slept: list[float] = []
    rested: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def rest(stop: asyncio.Event, seconds: float) -> None:
        rested.append(seconds)
        stop.set()

    monkeypatch.setattr("syncline_sync_worker.reconcile.watch.wait_for", rest)
    watched = Told(sides, settings=WatchSettings(interval=77, sample=1.0, rate=0.1), sleep=sleep)
    await watched.run()
    assert watched.value("syncline_reconcile_drift", kind=DriftKind.CORRUPT) == 1
    assert max(slept) > 5, "three documents at one in ten seconds"
    assert rested == [77]


async def test_a_storage_that_keeps_no_report_ends_nothing_and_drift_is_told(sides: TwoSides) -> None:
    await in_step(sides)
    await lost(sides, N1)

    async def refuse(_records: Any) -> None:
        raise StorageUnavailable("no node answers")

    watched = Told(sides, walks=2, audit=Through(sides.engine.audit, record=refuse))
    await watched.run()
    assert [alert.severity for alert in watched.alerts] == [Severity.WARNING]
    assert watched.value("syncline_reconcile_drift", kind=DriftKind.MISSING) == 1


# ------------------------------------------------------------------ reports


async def test_reports_tell_what_is_new_what_persists_and_what_was_resolved(sides: TwoSides) -> None:
    await in_step(sides)
    reports = Reports(sides.engine.audit)
    await lost(sides, N1, N2)
    first = await reports.keep(await sides.reconciler().check(), Scope(), at=sides.clock.now())
    await reports.keep(await sides.reconciler().check(Scope("acme")), Scope("acme"), at=sides.clock.now() + 1)
    await sides.put(N2, "again")
    await settled(sides)
    await lost(sides, N3)
    await reports.keep(await sides.reconciler().check(), Scope(), at=sides.clock.now())
    newer = await reports.find("latest")
    older = await reports.before(newer)
    assert older is not None
    assert older.id == first, "the one of another scope is passed over"
    difference = await reports.compare(newer, older)
    assert [[finding.key for finding in part] for part in (difference.new, difference.persisting, difference.resolved)] == [
        ["n3"],
        ["n1"],
        ["n2"],
    ]
    other = [kept async for kept in reports.newest() if kept.scope["tenant"] == "acme"]
    with pytest.raises(InvalidInput, match=r"different scopes \(tenant: None, acme\)"):
        await reports.compare(newer, other[0])
    with pytest.raises(InvalidInput, match="no report"):
        await reports.find("nosuch")


async def test_reports_of_another_models_index_are_not_compared_with_this_ones(sides: TwoSides) -> None:
    """While a model is migrated both collections are checked in turn, and what one lacks says nothing of the other."""
    await in_step(sides)
    reports, report = Reports(sides.engine.audit), await sides.reconciler().check()
    assert (report.model, report.collection) == (sides.index.model, sides.index.collection)
    first = await reports.keep(report, Scope(), at=sides.clock.now())
    following = report.model_copy(update={"model": "another", "collection": "test-another"})
    await reports.keep(following, Scope(), at=sides.clock.now() + 1)
    of_next = await reports.find("latest")
    assert of_next.index == ("another", "test-another")
    assert await reports.before(of_next) is None
    with pytest.raises(InvalidInput, match=r"different indexes .test-another of the model another"):
        await reports.compare(of_next, await reports.find(first))


async def test_a_report_of_many_findings_is_kept_in_pages(sides: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline_sync_worker.reconcile.reports.FINDINGS", 2)
    await in_step(sides)
    await lost(sides, N1, N2, N3)
    reports = Reports(sides.engine.audit)
    report = await sides.reconciler().check()
    await reports.keep(report, Scope(), at=sides.clock.now())
    kept = await reports.find("latest")
    assert (kept.found, kept.verdict, kept.counts["documents"]) == (3, "drift", 3)
    assert {finding.document for finding in await reports.findings(kept)} == {finding.document for finding in report.findings}
