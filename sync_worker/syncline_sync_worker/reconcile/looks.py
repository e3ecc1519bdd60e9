"""A further look at just the documents that differed.

The order of reading is the one that errs towards silence: for what is to be removed the index first, then the source; for anything
else the source first, then the index (docs/protocol.md, D1).
"""

from collections.abc import Sequence
from itertools import chain

from syncline_contracts.drift import Finding
from syncline_contracts.revision import Clock
from syncline_store.document import Row
from syncline_store.engines.protocol import Engine
from syncline_store.index.index import Index
from syncline_store.index.points import PointState
from syncline_sync_worker.reconcile.columns import heads_of, points_of
from syncline_sync_worker.reconcile.compare import compare
from syncline_sync_worker.reconcile.findings import Sides


async def look_again(
    engine: Engine, index: Index, clock: Clock, suspects: Sequence[Finding], *, overdue: int | None = None
) -> list[Finding]:
    """What is different now about the documents of these findings; at most one finding a document."""
    orphans = [suspect for suspect in suspects if suspect.kind.removal]
    others = [suspect for suspect in suspects if not suspect.kind.removal]
    points = await _points(index, orphans)
    found = _compared(orphans, await _rows(engine, orphans), points, index.model, (clock.now(), overdue))
    rows = await _rows(engine, others)
    return found + _compared(others, rows, await _points(index, others), index.model, (clock.now(), overdue))


async def _points(index: Index, suspects: Sequence[Finding]) -> list[PointState]:
    held = await index.points([suspect.document for suspect in suspects]) if suspects else {}
    return list(chain.from_iterable(held.values()))


async def _rows(engine: Engine, suspects: Sequence[Finding]) -> list[Row]:
    rows = await engine.documents.read([suspect.ref for suspect in suspects]) if suspects else []
    return [row for row in rows if row is not None]


def _compared(
    suspects: Sequence[Finding], rows: Sequence[Row], points: Sequence[PointState], model: str, when: tuple[int, int | None]
) -> list[Finding]:
    segments = {suspect.document: suspect.segment for suspect in suspects}
    refs = {suspect.document: suspect.ref for suspect in suspects}
    sides = Sides(heads_of(rows, segments), points_of(points, refs, segments), model, when[0])
    return sides.findings(compare(sides.heads, sides.points, model=model, now=when[0], overdue=when[1]))
