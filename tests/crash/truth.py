"""What must be true after all the killing, whatever died when."""

import json
from collections.abc import Sequence

from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock, now_us
from syncline_store.document import Row
from syncline_store.index.points import PointState
from syncline_store.parts import Parts
from syncline_sync_worker.reconcile.reconciler import Reconciler
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from tests.crash.processes import NAMESPACE, TENANT, Place, key_of

HOUR = 3_600_000_000


def acknowledged(place: Place) -> dict[int, tuple[int, bool]]:
    """Of each document the newest change that a caller was told of: (revision, deleted). A line torn by a kill is none."""
    newest: dict[int, tuple[int, bool]] = {}
    for line in place.log.read_text().splitlines() if place.log.exists() else []:
        try:
            change = json.loads(line)
        except ValueError:
            continue
        newest[change["number"]] = max(newest.get(change["number"], (0, False)), (change["revision"], change["deleted"]))
    return newest


async def assert_in_step(parts: Parts, place: Place, documents: int) -> None:
    """Every acknowledged change is in the source, and the index holds the source's state of every document, and nothing else."""
    promised = acknowledged(place)
    assert set(promised) == set(range(documents)), "each document was put at least once"
    refs = [Ref(TENANT, NAMESPACE, key_of(number)) for number in range(documents)]
    rows = await parts.engine.documents.read(refs)
    points = await (await parts.index()).points([ref.document for ref in refs])
    for number, (ref, row) in enumerate(zip(refs, rows, strict=True)):
        assert row is not None, f"{ref} was acknowledged and is not stored"
        _assert_kept(row, *promised[number])
        _assert_indexed(row, points[ref.document])
    living = sum(not row.deleted for row in rows if row is not None)
    assert 0 < living < documents
    assert (await parts.engine.dead_letters.scan(None, 1)).items == []
    await _assert_reconciled(parts, documents)


def _assert_kept(row: Row, revision: int, deleted: bool) -> None:  # noqa: FBT001 - the pair as it was logged
    """The row is the acknowledged change, or a later one whose caller died before it was told."""
    assert row.revision >= revision, f"{row.ref}: revision {revision} was acknowledged, {row.revision} is stored"
    assert row.revision > revision or row.deleted == deleted


def _assert_indexed(row: Row, points: Sequence[PointState]) -> None:
    living = [point for point in points if point.live]
    if row.deleted:
        assert not living, f"{row.ref} was deleted at {row.revision}, and is in the index: {living}"
        return
    assert [point.passage for point in living] == list(range(living[0].passages if living else 1)), f"{row.ref}: {points}"
    assert {point.revision for point in living} == {row.revision}, f"{row.ref} is stored at {row.revision}: {points}"
    assert {point.content_hash for point in living} == {row.content_hash.hex()}


async def _assert_reconciled(parts: Parts, documents: int) -> None:
    """The reconciler, whose clock is an hour ahead so that nothing is too young for it, finds both sides in step."""
    clock = Clock(now=lambda: now_us() + HOUR)
    reconciler = Reconciler(
        parts.engine,
        await parts.index(),
        parts.embedder,
        parts.settings.indexing_settings,
        clock=clock,
        settings=ReconcileSettings(settle=0, delay=0),
    )
    report = await reconciler.check(sample=1.0)
    assert report.refused is None
    assert report.findings == ()
    assert report.young == 0
    assert report.documents == documents
