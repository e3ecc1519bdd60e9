"""Is what was meant really there? Pure, from what was decided and the document's points read again (protocol step 8).

Every outcome settles, skipping included. Heads must be looked at where several passages, a refresh or a retry are involved (H5, H6);
here they always are, because documents that shared a guard (guard.Below) may have been refused by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from syncline_store.document import Row
from syncline_store.index.points import PointState
from syncline_store.indexing.text import is_indexed


@dataclass(frozen=True, slots=True)
class Settled:
    """All there; nothing lingers."""


@dataclass(frozen=True, slots=True)
class Again:
    """Something that was meant is not there: read again, and skip nothing."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Passages older than their head linger (a late older version's): remove those below this revision, and look again."""

    below: int


def settle(row: Row | None, points: Sequence[PointState], now: int) -> Settled | Again | Clear:
    """`row` as it was read and believed (None: gone), `points` as they are at `now`, by passage."""
    head = points[0] if points and points[0].passage == 0 else None
    if row is not None and not (_over(row, head) if row.gone(now) else _shown(row, head, points)):
        return Again()
    if head is not None and any(point.live and point.revision < head.revision for point in points[1:]):
        return Clear(head.revision)
    return Settled()


def _over(row: Row, head: PointState | None) -> bool:
    """Expired since it was read: no older state may be left standing. Found by the model with shared guards: H7 and H20 need it."""
    return head is None or head.revision >= row.revision


def _shown(row: Row, head: PointState | None, points: Sequence[PointState]) -> bool:
    if head is None or head.revision < row.revision:
        return False
    if head.revision > row.revision or not is_indexed(row):
        return True
    there = {point.passage for point in points if point.revision > row.revision or (point.revision == row.revision and point.live)}
    return head.live and head.expires_at >= row.expires_at and there.issuperset(range(max(1, head.passages)))
