"""A clock that stands still until it is moved."""

from syncline_contracts.revision import Clock

SECOND = 1_000_000
START = 1_750_000_000 * SECOND


class MovingClock(Clock):
    def __init__(self, start: int = START) -> None:
        super().__init__(mark=7, now=lambda: self.time)
        self.time = start

    def forward(self, seconds: float) -> int:
        """Let time pass; gives the new time in µs."""
        self.time += int(seconds * SECOND)
        return self.time
