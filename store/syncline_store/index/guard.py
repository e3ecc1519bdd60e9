"""When a point may be replaced: plain values here, Qdrant's `update_filter` in request.py (architecture, invariant 3).

The index evaluates the guard, atomically, for each point that is there; an absent point takes anything. A revision that
cannot be read (missing, no number) never protects a point.
"""

from dataclasses import dataclass

Version = tuple[int, int]
"""(revision, expires_at)."""


@dataclass(frozen=True, slots=True)
class Below:
    """Only over a lower revision.

    For several documents at once it names the lowest of theirs: stricter than
    need be, and settle finds what it refused.
    """

    revision: int


@dataclass(frozen=True, slots=True)
class Plain:
    """A write's: a lower revision; the same one that lives and expires earlier (H8); the same one `gone` (H9)."""

    revision: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Mend:
    """A touch's or repair's: as a write's, and the same revision with the same expiry, or that is no longer live (H10)."""

    revision: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Gone:
    """A `gone` tombstone's: a lower revision, or exactly the states that were seen before the row was looked for (H11)."""

    revision: int
    seen: tuple[Version, ...] = ()


Guard = Below | Plain | Mend | Gone
