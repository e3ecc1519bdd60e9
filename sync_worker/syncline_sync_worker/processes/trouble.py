"""What went wrong last, as long as nothing went right since."""

import time
from collections.abc import Sequence

FORGOTTEN = 120.0
"""Seconds after which a failure says nothing any more: what failed may be another process's work by now."""


class Trouble:
    """Of one kind of work, which is tried again and again: publishing, handling."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._why = ""
        self._until = 0.0

    def failed(self, error: Exception) -> None:
        """A try failed."""
        self._why, self._until = f"{self._what}: {error}", time.monotonic() + FORGOTTEN

    def worked(self) -> None:
        """A try did not."""
        self._until = 0.0

    def reasons(self) -> Sequence[str]:
        """Why this work does not go on now."""
        return (self._why,) if time.monotonic() < self._until else ()
