"""Revisions: microseconds since 1970 whose low 6 bits are a mark of the process that drew them.

A revision is the write timestamp of its row, so the source's last-write-wins winner and the index's winner are the same
by construction. Two processes that draw the same microsecond differ in the mark (but once in 64 pairs of processes;
the content hash exposes a row that two writes were merged into).
"""

import secrets
import threading
import time
from collections.abc import Callable

from syncline_contracts.errors import ClockSkew

MARK_BITS = 6
TICK = 1 << MARK_BITS
"""Microseconds between two revisions of one process: 15,625 writes a second before it runs ahead of its clock."""
MAX_AHEAD = 5_000_000
"""Microseconds by which a revision may be ahead of the clock, to be issued or observed."""
NEVER = 253_402_300_799_000_000
"""`expires_at` of what does not expire: the end of the year 9999, in microseconds since 1970."""


def now_us() -> int:
    """The system clock in microseconds since 1970."""
    return time.time_ns() // 1000


class Clock:
    """A hybrid logical clock: it never goes back, and passes every revision that it has observed.

    Safe to use from several threads. `mark` is 0..63, drawn at random unless given.
    """

    def __init__(self, *, mark: int | None = None, now: Callable[[], int] = now_us) -> None:
        self._mark = secrets.randbelow(TICK) if mark is None else mark
        if not 0 <= self._mark < TICK:
            raise ValueError(f"mark must be 0..{TICK - 1}, not {mark}")
        self._now = now
        self._last = 0
        self._lock = threading.Lock()

    def now(self) -> int:
        """The wall clock below this one, in microseconds: ages and due times are told by it."""
        return self._now()

    def tick(self) -> int:
        """Draw a revision greater than every one drawn or observed before.

        Raises ClockSkew when that would be more than 5 s ahead of the system clock.
        """
        with self._lock:
            now = self._now()
            ticks = max(now >> MARK_BITS, (self._last >> MARK_BITS) + 1)
            revision = (ticks << MARK_BITS) | self._mark
            self._refuse_ahead(revision, now)
            self._last = revision
            return revision

    def observe(self, revision: int) -> None:
        """Never again draw a revision up to this one. Raises ClockSkew if it is more than 5 s ahead."""
        with self._lock:
            self._refuse_ahead(revision, self._now())
            self._last = max(self._last, revision)

    def follow(self, revision: int) -> None:
        """As `observe`, but a revision that is too far ahead is left alone: for what was read, which is shown whatever the clocks say."""
        with self._lock:
            if revision <= self._now() + MAX_AHEAD:
                self._last = max(self._last, revision)

    @staticmethod
    def _refuse_ahead(revision: int, now: int) -> None:
        if revision > now + MAX_AHEAD:
            raise ClockSkew(
                f"revision {revision} is {(revision - now) / 1e6:.1f} s ahead of this machine's clock (bound: "
                f"{MAX_AHEAD / 1e6:.0f} s): was the clock set back? Synchronise it (NTP), then try again"
            )
