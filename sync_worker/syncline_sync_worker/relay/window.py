"""The overlaps: which stretch of the outbox is read again, and when, so that rows that surfaced late are found."""

from dataclasses import dataclass

from syncline_store.engines.protocol import Pos

NEAR_THE_END = 0.8
"""A row that stayed away for this share of the long overlap makes it wider."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Read `reach` µs back, `every` so many µs."""

    reach: int
    every: int


@dataclass(slots=True)
class Pass:
    """A sweep under way: the rows with after < pos <= until are still to be read. `after` moves on page by page."""

    since: int
    after: Pos
    until: Pos
    long: bool


class Window:
    """When to sweep, and from where. A sweep reaches up to the hot cursor, so that everything up to there was read then.

    It counts back from the **last completed** sweep of its kind, not from now: after a pause of any length all that
    surfaced late before it is still read again (R2).
    """

    def __init__(self, begun: int, mark: int, short: Overlap, long: Overlap, *, widest: int) -> None:
        self._short = short
        self._long = long
        self._widest = max(widest, long.reach)
        first = Pass(begun, Pos(begun), Pos(begun), long=True)
        self._last_short = self._last_long = first
        self._ran_short = self._ran_long = begun
        self._floor = max(begun - long.reach, mark)

    @property
    def swept(self) -> int:
        """The end of the last completed long sweep, µs since 1970."""
        return self._last_long.until.at

    @property
    def reach(self) -> int:
        """How far the long overlap reaches back now, µs."""
        return self._long.reach

    @property
    def floor(self) -> int:
        """No sweep reads rows before this time (µs since 1970) again.

        What lies before the mark was a predecessor's. It does not go back when the overlap widens, either: what was published
        before it is forgotten already.
        """
        return max(self._floor, self.swept - self.reach)

    def due(self, now: int, cursor: Pos) -> Pass | None:
        """The sweep whose time has come, the long one first."""
        if self._is_due(self._ran_long, self._long_every, now):
            self._ran_long = self._ran_short = now
            return self.long_sweep(cursor)
        if self._is_due(self._ran_short, self._short.every, now):
            self._ran_short = now
            since = max(self._last_short.until.at - self._short.reach, self.floor)
            return Pass(since, Pos(since), cursor, long=False)
        return None

    def long_sweep(self, cursor: Pos) -> Pass:
        """A long sweep, whether its time has come or not."""
        return Pass(self.floor, Pos(self.floor), cursor, long=True)

    def completed(self, sweep: Pass) -> None:
        """Every row of this sweep is published."""
        if sweep.until >= self._last_short.until:
            self._last_short = sweep
        if sweep.long:
            self._last_long = sweep
            self._floor = self.floor

    def widen_for(self, pos: Pos) -> bool:
        """Take note of a late row; says whether the long overlap grew because the row came near its end."""
        missed = max((last.until.at - pos.at for last in (self._last_short, self._last_long) if last.since < pos.at), default=0)
        if missed < self.reach * NEAR_THE_END or self.reach == self._widest:
            return False
        self._long = Overlap(min(self.reach * 2, self._widest), self._long.every)
        return True

    @property
    def _long_every(self) -> int:
        """An overlap that is no longer than the short one is swept as often."""
        return self._short.every if self._long.reach <= self._short.reach else self._long.every

    @staticmethod
    def _is_due(ran: int, every: int, now: int) -> bool:
        return now - ran >= every
