"""How long what was written is left alone: as long as the lag that was measured lately, between two bounds.

It is beside the oldest unhandled event, never in its place (docs/protocol.md, D1): an event that has just been handled is unhandled no
more, while its points may still be on their way to every replica that is read.
"""

from collections import deque

REMEMBERED = 300_000_000
"""µs for which a lag that was measured counts."""


class Settle:
    """Owned by one reconciler. All times are µs."""

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._greatest: deque[tuple[int, int]] = deque()  # (when, lag): each later one is smaller, so it stays short

    def measured(self, lag: int, now: int) -> None:
        """Something took that long to be searchable, or has taken that long until now."""
        while self._greatest and self._greatest[-1][1] <= lag:
            self._greatest.pop()
        self._greatest.append((now, lag))

    def window(self, now: int) -> int:
        """Differences that are younger may be in flight."""
        while self._greatest and self._greatest[0][0] <= now - REMEMBERED:
            self._greatest.popleft()
        greatest = self._greatest[0][1] if self._greatest else 0
        return max(self._least, min(greatest, self._most))
