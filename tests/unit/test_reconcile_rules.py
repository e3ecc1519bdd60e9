"""Scope, safety, the horizon's arithmetic, repair events, and what a report comes to."""

import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.drift import DriftKind, DriftReport, Finding, Verdict
from syncline_contracts.errors import InvalidInput
from syncline_contracts.event import Kind
from syncline_contracts.identity import SEGMENTS
from syncline_contracts.revision import MAX_AHEAD, NEVER
from syncline_sync_worker.reconcile import ReconcileSettings, Scope, Stage
from syncline_sync_worker.reconcile.horizon import Horizon
from syncline_sync_worker.reconcile.repair import repair_event
from syncline_sync_worker.reconcile.safety import Allowed, Caps, Refusal, judge
from syncline_sync_worker.reconcile.scope import cut
from syncline_sync_worker.reconcile.tally import Tally

CAPS = Caps(max_repairs=100, max_share=0.2, few=10)
MISSING, ORPHAN = DriftKind.MISSING, DriftKind.ORPHAN


def finding(kind: DriftKind = MISSING, **given: Any) -> Finding:
    values: dict[str, Any] = {
        "kind": kind,
        "document": uuid.uuid4(),
        "tenant": "acme",
        "namespace": ("notes",),
        "key": "n1",
        "segment": 3,
        "source_revision": 500,
        "index_revision": 400,
        "expires_at": NEVER,
        "detail": "",
        "since": 500,
    }
    return Finding(**values | given)


def report(documents: int = 1_000, missing: int = 0, orphans: int = 0, **given: Any) -> DriftReport:
    findings = (*(finding() for _ in range(missing)), *(finding(ORPHAN) for _ in range(orphans)))
    return DriftReport(started_at=0, seconds=0.0, documents=documents, points=0, findings=findings, **given)


# ------------------------------------------------------------------ scope


@given(parts=st.integers(1, SEGMENTS), documents=st.integers(0, 10_000_000), per_range=st.integers(1, 100_000))
def test_the_ranges_of_all_parts_cover_each_segment_once(parts: int, documents: int, per_range: int) -> None:
    parts = min(parts, 64)
    segments = [
        segment
        for part in range(1, parts + 1)
        for piece in cut(Scope(None, part, parts).segments, documents, per_range)
        for segment in piece
    ]
    assert segments == list(range(SEGMENTS))


@pytest.mark.parametrize(("documents", "ranges"), [(0, 1), (20_000, 1), (20_001, 2), (200_000, 11), (10_000_000, 512)])
def test_a_range_is_about_as_many_documents_as_asked(documents: int, ranges: int) -> None:
    assert len(list(cut(Scope().segments, documents, 20_000))) == ranges


@pytest.mark.parametrize(("part", "parts"), [(0, 1), (2, 1), (1, 0), (1, SEGMENTS + 1), (-1, 4)])
def test_a_part_that_does_not_exist_is_refused(part: int, parts: int) -> None:
    with pytest.raises(InvalidInput):
        Scope(None, part, parts)


# ------------------------------------------------------------------ horizon


def test_what_is_newer_than_the_horizon_is_young_but_for_what_no_clock_may_draw() -> None:
    horizon = Horizon(now=1_000, before=600)
    since = np.array([0, 599, 600, 1_000, 1_000 + MAX_AHEAD, 1_001 + MAX_AHEAD])
    assert horizon.young(since).tolist() == [False, False, True, True, True, False]


# ------------------------------------------------------------------ safety


def test_little_drift_may_be_repaired() -> None:
    assert isinstance(judge(report(missing=5, orphans=5), CAPS), Allowed)
    assert isinstance(judge(report(documents=3, missing=1, orphans=2), CAPS), Allowed), "few are allowed whatever their share"


def test_more_than_the_share_is_refused_and_says_what_to_do() -> None:
    judged = judge(report(documents=100, missing=21), CAPS)
    assert isinstance(judged, Refusal)
    assert "max_share" in judged.why
    assert isinstance(judge(report(documents=100, missing=20), CAPS), Allowed)
    assert isinstance(judge(report(documents=0, orphans=11), CAPS), Refusal)
    assert isinstance(judge(report(documents=100, missing=10, unlisted=11), CAPS), Refusal), "those beyond the list count"


def test_the_count_cuts_what_is_brought_back_but_refuses_removals() -> None:
    judged = judge(report(documents=10_000, missing=150, orphans=40), CAPS)
    assert isinstance(judged, Allowed)
    assert [each.kind for each in judged.findings] == [MISSING] * 60 + [ORPHAN] * 40
    refused = judge(report(documents=10_000, orphans=101), CAPS)
    assert isinstance(refused, Refusal)
    assert "max_repairs" in refused.why


def test_a_report_that_could_not_tell_repairs_nothing() -> None:
    assert judge(report(refused="the source looks empty"), CAPS) == Refusal("the source looks empty")


# ------------------------------------------------------------------ repair


def test_a_repair_names_the_rows_state() -> None:
    event = repair_event(finding(expires_at=900), now=1_000)
    assert (event.kind, event.revision, event.expires_at, event.first_at) == (Kind.REPAIR, 500, 900, 500)
    assert event.ref == finding().ref


@pytest.mark.parametrize(("index_revision", "first_at"), [(400, 400), (5_000, 1_000)])
def test_an_orphans_repair_names_the_points_state_and_is_as_old_as_it(index_revision: int, first_at: int) -> None:
    event = repair_event(finding(ORPHAN, source_revision=None, index_revision=index_revision), now=1_000)
    assert (event.revision, event.first_at) == (index_revision, first_at)


def test_repair_is_capped_unless_told_otherwise() -> None:
    assert ReconcileSettings().caps == Caps(max_repairs=1_000, max_share=0.2, few=10)


# ------------------------------------------------------------------ reports


def test_verdicts_and_their_exit_codes() -> None:
    assert [verdict.exit_code for verdict in (Verdict.IN_STEP, Verdict.DRIFT, Verdict.UNKNOWN)] == [0, 1, 2]
    assert report().verdict is Verdict.IN_STEP
    assert report(missing=1).verdict is Verdict.DRIFT
    assert report(missing=1, refused="too many").verdict is Verdict.DRIFT
    assert report(refused="no answer").verdict is Verdict.UNKNOWN
    assert report(unnamed=1).verdict is Verdict.DRIFT


def test_a_report_of_differences_that_were_not_looked_at_again_could_not_tell() -> None:
    tally = Tally(max_suspects=2, started_at=0)
    tally.count_sample(5, [finding() for _ in range(5)])
    assert (len(tally.suspects), tally.unlisted, tally.sampled) == (2, 3, 5)
    assert tally.report(None).verdict is Verdict.DRIFT
    tally.leave_young([True, True])
    done = tally.report(None)
    assert (done.verdict, done.young) == (Verdict.UNKNOWN, 2)
    assert "max_findings" in (done.refused or "")


def test_an_outage_lists_nothing_as_nothing_was_confirmed() -> None:
    tally = Tally(max_suspects=2, started_at=0)
    tally.count_sample(1, [finding()])
    assert tally.progress(Stage.WALK, 1, 2).suspects == 1
    done = tally.report("could not read both sides")
    assert (done.verdict, done.findings) == (Verdict.UNKNOWN, ())
