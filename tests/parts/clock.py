"""Time that a test moves: pass it as `Clock(now=...)`."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_750_000_000 * SECOND


class ManualClock:
    """A `now` that stands still until it is moved. Microseconds since 1970."""

    def __init__(self, start: int = START) -> None:
        self.time = start

    def __call__(self) -> int:
        return self.time

    def forward(self, seconds: float) -> int:
        """Let time pass (or, with a negative number, set the clock back); gives the new time."""
        self.time += round(seconds * SECOND)
        return self.time
