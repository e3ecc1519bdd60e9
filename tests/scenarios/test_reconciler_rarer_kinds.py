"""Drift that is rarer than a lost write: payloads that disagree, points twice or alone, what outlived its expiry."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.drift import DriftKind, Verdict
from syncline_contracts.identity import point_id
from syncline_contracts.revision import NEVER
from tests.parts.clock import SECOND
from tests.parts.damage import Damage
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

OVERDUE = GRACE + HOUR
STRAY = "7d9f1c1e-0000-4000-8000-000000000001"


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[TwoSides]:
    async with TwoSides.open(tmp_path) as both:
        yield both


async def test_a_payload_that_disagrees_is_found_by_sampling_and_written_anew(sides: TwoSides) -> None:
    """Revision and content hash still agree: only who computes the payload again can see it."""
    for ref in (N1, N2, N3):
        await sides.put(ref, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).change(N1, {"tenant": "globex"}, passage=1)
        await Damage(raw, COLLECTION).change(N2, {"fields": {"text": "another"}})
    assert (await sides.reconciler().check()).findings == (), "the columns do not show it"
    report = await sides.reconciler().check(sample=1.0)
    assert kinds(report) == {"n1": DriftKind.PAYLOAD, "n2": DriftKind.PAYLOAD}
    details = {finding.key: finding.detail for finding in report.findings}
    assert details["n1"] == "the payload of passage 1 disagrees in tenant"
    assert details["n2"] == "the payload of passage 0 disagrees in fields"
    await repair_and_expect_nothing_left(sides, sample=1.0)


@pytest.mark.parametrize(
    ("changed", "kind", "detail"),
    [
        ({"namespaces": ["x\x01"]}, DriftKind.PAYLOAD, "the payload of passage 0 disagrees in namespaces"),
        ({"key": "another"}, DriftKind.PAYLOAD, "the payload of passage 0 disagrees in key"),
        ({"expires_at": NEVER - 1}, DriftKind.STALE, "same revision, an earlier expiry"),
    ],
    ids=["namespace", "key", "expires_at"],
)
async def test_each_part_of_a_payload_is_compared(sides: TwoSides, changed: dict[str, Any], kind: DriftKind, detail: str) -> None:
    await sides.put(N1, "text")
    await settled(sides)
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).change(N1, changed)
    report = await sides.reconciler().check(sample=1.0)
    assert [(finding.kind, finding.detail) for finding in report.findings] == [(kind, detail)]
    await repair_and_expect_nothing_left(sides, sample=1.0)


async def test_a_head_without_its_passages_is_a_gap(sides: TwoSides) -> None:
    await sides.put(N1, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        for passage in (1, 2):
            await Damage(raw, COLLECTION).lose(N1, passage)
    report = await sides.reconciler().check()
    assert kinds(report) == {"n1": DriftKind.PASSAGE_GAP}
    assert report.findings[0].detail == "the head counts 3 passage(s), 1 live point(s) are there"
    await repair_and_expect_nothing_left(sides)


async def twice(sides: TwoSides, **changed: Any) -> models.Record:
    """A second point for a passage of N1, such as a copy between collections with new ids leaves."""
    await sides.put(N1, THREE)
    await settled(sides)
    async with sides.behind_its_back() as raw:
        (record,) = await raw.retrieve(COLLECTION, [point_id(N1.document, 1)], with_vectors=True)
        await stray(raw, record, **changed)
    return record


async def stray(raw: AsyncQdrantClient, record: models.Record, **changed: Any) -> None:
    payload = {**(record.payload or {}), **changed}
    await raw.upsert(COLLECTION, [models.PointStruct(id=STRAY, vector=record.vector or {}, payload=payload)])


async def there(sides: TwoSides) -> bool:
    return bool(await sides.index.payloads([STRAY]))


async def test_a_passage_that_is_there_twice_is_named_by_its_point_and_repaired_by_its_deletion(sides: TwoSides) -> None:
    await twice(sides)
    report = await sides.reconciler().check()
    assert kinds(report) == {"n1": DriftKind.DUPLICATE}
    assert report.findings[0].points == (STRAY,)
    assert "deletes the points that are named" in report.findings[0].repair
    assert await there(sides), "a check only reads"
    await repair_and_expect_nothing_left(sides)
    assert not await there(sides)


async def test_a_stray_that_became_another_documents_point_is_left_alone(sides: TwoSides) -> None:
    record = await twice(sides)
    reconciler = sides.reconciler()
    report = await reconciler.check()
    async with sides.behind_its_back() as raw:
        await stray(raw, record, document=str(N2.document))
    await sides.reconciler().repair(report)
    assert await there(sides)


async def test_a_stray_that_goes_while_it_is_looked_at_again_is_no_drift(sides: TwoSides) -> None:
    record = await twice(sides)
    seen = Watched(sides)

    async def become_anothers() -> None:
        await sides.index._client.call(lambda raw: stray(raw, record, document=str(N2.document)))

    seen.on("index", become_anothers)
    assert (await sides.reconciler(engine=seen.engine, index=seen.index).check()).findings == ()


async def test_a_stray_that_was_written_anew_is_left_alone(sides: TwoSides) -> None:
    record = await twice(sides)
    report = await sides.reconciler().check()
    async with sides.behind_its_back() as raw:
        await stray(raw, record, revision=sides.clock.tick())
    await sides.reconciler().repair(report)
    assert await there(sides)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"revision": None}, DriftKind.STALE),
        ({"revision": 64}, DriftKind.STALE),
        ({"passage": 7}, DriftKind.PASSAGE_GAP),
        ({"model": "another"}, DriftKind.DUPLICATE),
        ({"document": str(N2.document), "tenant": N2.tenant, "key": N2.key}, DriftKind.ORPHAN),
    ],
    ids=["no revision", "older", "beyond the last", "another model", "of nobody"],
)
async def test_a_stray_is_found_whatever_else_it_says_and_repaired(sides: TwoSides, changed: dict[str, Any], kind: DriftKind) -> None:
    """The further looks ask for a document's points by their ids, which does not show a stray: it is looked for by its own."""
    await twice(sides, **changed)
    report = await sides.reconciler().check()
    assert [(finding.kind, finding.points) for finding in report.findings] == [(kind, (STRAY,))]
    assert report.findings[0].detail.endswith("1 point(s) stand under strange ids")
    await repair_and_expect_nothing_left(sides)
    assert not await there(sides)


async def test_points_that_expired_long_ago_are_found_and_removed(sides: TwoSides) -> None:
    """Searches hide them (H7), but no sweep ran. Until a sweep is overdue they are in step."""
    await sides.put(N1, THREE, expires_at=sides.clock.now() + HOUR)
    await settled(sides)
    sides.time.forward((HOUR + GRACE) / SECOND)
    assert (await sides.reconciler(overdue=OVERDUE).check()).verdict is Verdict.IN_STEP
    sides.time.forward(HOUR / SECOND)
    assert (await sides.reconciler().check()).verdict is Verdict.IN_STEP, "nobody asks"
    reconciler = sides.reconciler(overdue=OVERDUE)
    report = await reconciler.check()
    assert kinds(report) == {"n1": DriftKind.EXPIRED}
    assert report.findings[0].detail == "3 point(s) that expired long ago: no sweep removed them"
    assert (await reconciler.repair(report)).repaired == 1
    await settled(sides)
    assert (await sides.reconciler(overdue=OVERDUE).check()).verdict is Verdict.IN_STEP


async def test_each_finding_says_what_a_repair_would_do(sides: TwoSides) -> None:
    await sides.put(N1, "one")
    await sides.put(N2, "two")
    await settled(sides)
    await sides.sql("DELETE FROM documents WHERE key = 'n1'")
    async with sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N2)
    report = await sides.reconciler().check()
    said = {finding.kind: finding.repair for finding in report.findings}
    assert said[DriftKind.ORPHAN] == "removes its points, unless they were written again meanwhile"
    assert said[DriftKind.MISSING] == "embeds the document, and writes its points"
    assert all(finding["repair"] for finding in report.model_dump(mode="json")["findings"])
