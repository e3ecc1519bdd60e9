"""Each kind of drift: made behind Syncline's back, found, named rightly, repaired through an event and the indexer, gone then."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncline_contracts.drift import DriftKind, Verdict
from syncline_contracts.revision import NEVER
from syncline_store.index.points import Mark
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
    kinds,
    note,
    repair_and_expect_nothing_left,
    settled,
)


@pytest.fixture(params=["folder", "server"])
async def sides(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TwoSides]:
    index = request.getfixturevalue("qdrant").url if request.param == "server" else None
    async with TwoSides.open(tmp_path, index=index) as both:
        yield both


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
