"""How far a build has come, how fast it goes, and how long it will take."""

from collections import deque
from dataclasses import dataclass, field
from time import monotonic

WINDOW = 60.0
"""Seconds over which the speed is measured."""


@dataclass(slots=True)
class Progress:
    """Owned by one build. A walk that had to begin anew counts `looked_at` from 0 again, what it handled stays counted."""

    total: int = 0
    """About how many documents the source holds in this part; an estimate where there are very many."""
    looked_at: int = 0
    handled: int = 0
    """Documents that were lacking or stale and went through the indexer."""
    dead_letters: int = 0
    complete: bool = False
    """The walk came to its end."""
    began: float = field(default_factory=monotonic)
    _marks: deque[tuple[float, int, int]] = field(default_factory=deque, repr=False)

    def look(self, documents: int) -> None:
        """So many more need nothing."""
        self.looked_at += documents
        self._mark()

    def handle(self, documents: int, dead_letters: int) -> None:
        """So many more were brought in step, but for those that became dead letters."""
        self.looked_at += documents
        self.handled += documents
        self.dead_letters += dead_letters
        self._mark()

    def again(self) -> None:
        """The walk begins anew."""
        self.looked_at = 0
        self._marks.clear()

    def _mark(self) -> None:
        now = monotonic()
        self._marks.append((now, self.looked_at, self.handled))
        while self._marks[0][0] < now - WINDOW:
            self._marks.popleft()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return monotonic() - self.began

    @property
    def rate(self) -> float:
        """Documents handled a second, lately."""
        return self._a_second(2)

    @property
    def left(self) -> float | None:
        """About how many seconds it still takes, at the pace of the last minute; None while that is not known."""
        pace = self._a_second(1)
        return max(0, self.total - self.looked_at) / pace if pace else None

    def _a_second(self, column: int) -> float:
        if len(self._marks) < 2:  # noqa: PLR2004 - two points make a line
            return 0.0
        first, last = self._marks[0], self._marks[-1]
        return float(last[column] - first[column]) / max(last[0] - first[0], 1e-3)
