"""What one document's verdict asks of the index, and how documents share requests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from syncline_store.index.changes import Refresh, Removal, Upsert
from syncline_store.index.guard import Below, Guard, Plain
from syncline_store.index.points import Point
from syncline_store.indexing.decide import Case, Verdict

ABSENT = -1
"""Stands for the revision of no point at all."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One document's changes, in the order in which they are made: refresh, or passages, surplus, head (H3, H4, H18)."""

    case: Case
    verdict: Verdict
    refresh: Refresh | None = None
    passages: Sequence[Point] = ()
    surplus: Removal | None = None
    head: Point | None = None
    guard: Guard | None = field(default=None)

    def upsert(self, points: Sequence[Point]) -> Upsert | None:
        """These of its points, under its guard."""
        return Upsert(points, self.guard) if points and self.guard is not None else None

    @property
    def seen(self) -> int:
        """The highest revision that was seen of it."""
        return max((point.revision for point in self.case.seen), default=ABSENT)

    @property
    def shares(self) -> bool:
        """Whether "a lower revision" is all that its guard needs to say: everything seen was lower. Not on a second try."""
        return isinstance(self.guard, Plain) and self.seen < self.guard.revision and not self.case.again


def together(planned: Iterable[tuple[Planned, Sequence[Point]]]) -> list[Upsert]:
    """The upserts of many documents, as few as their guards allow.

    A filter is one for all points of an upsert and cannot name each one's new revision. Where everything seen was lower than the
    lowest new revision, that one will do for all: it refuses more than each guard alone would, never less, and settle finds what
    it refused.
    """
    sharing: list[tuple[Planned, Sequence[Point]]] = []
    alone: list[tuple[Planned, Sequence[Point]]] = []
    for plan, points in planned:
        if points:
            (sharing if plan.shares else alone).append((plan, points))
    lowest = min((_revision(plan) for plan, _ in sharing), default=0)
    shared = [point for plan, points in sharing if plan.seen < lowest for point in points]
    alone += [(plan, points) for plan, points in sharing if plan.seen >= lowest]
    first = [Upsert(shared, Below(lowest))] if shared else []
    return first + [upsert for plan, points in alone if (upsert := plan.upsert(points))]


def _revision(plan: Planned) -> int:
    return plan.guard.revision if plan.guard is not None else 0
