"""How a process stands: whether its loop turns, whether it does its work, and if not, why not."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

BEAT = 0.5
"""Seconds between two reports."""
STILL = 15.0
"""Seconds without a report after which the loop is said to stand still."""


@dataclass(frozen=True, slots=True)
class Report:
    """How the process stood at `at` (seconds of the monotonic clock)."""

    at: float
    waits: tuple[str, ...]
    """Why it is not ready; empty when it is."""
    died: str | None = None

    @property
    def troubles(self) -> tuple[str, ...]:
        """Why it should be killed; empty while it lives."""
        if self.died is not None:
            return (self.died,)
        silent = time.monotonic() - self.at
        return (f"the event loop has stood still for {silent:.0f} s",) if silent > STILL else ()


class Health:
    """Written by the process's one event loop. What another thread may read is `report`, which is replaced as a whole."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._starting = True
        self._out: dict[str, str] = {}
        self._more: Callable[[], Iterable[str]] = tuple
        self.report = self._reported()

    def out(self, part: str, problem: str) -> None:
        """A part does not answer."""
        self._out[part] = problem
        self.report = self._reported()

    def answers(self, part: str) -> None:
        """A part answers, again or still."""
        self._out.pop(part, None)

    def started(self, more: Callable[[], Iterable[str]] = tuple) -> None:
        """All parts are open and the work begins. `more`: further reasons why it may not go on, asked for at each beat."""
        self._starting, self._more = False, more

    def died(self, error: BaseException) -> None:
        """The work ended by an error."""
        self.report = Report(time.monotonic(), (), f"{type(error).__name__}: {error}")

    async def beat(self) -> None:
        """Report again and again: as long as this runs, the loop turns."""
        while True:
            self.report = self._reported()
            await asyncio.sleep(BEAT)

    def _reported(self) -> Report:
        waits = [f"waiting for {part}: {problem}" for part, problem in self._out.items()]
        if self._stop.is_set():
            waits.insert(0, "draining")
        elif self._starting:
            waits.insert(0, "starting")
        return Report(time.monotonic(), (*waits, *self._more()))
