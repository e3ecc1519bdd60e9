"""Which rows were published: remembered by place, as far back as the overlaps reach, within a bound."""

from collections.abc import Iterable

from syncline_store.engines.protocol import Pos

SECOND = 1_000_000


class Published:
    """A set of places, cut into seconds so that the oldest can be forgotten at once.

    Rows are known by place and not by event id: a deferred event comes back under its own id (R3). Memory: about 100
    bytes a place, `at_most` places. Beyond it the oldest second is forgotten: its rows are published once more when an
    overlap reads them again, which is harmless (architecture, invariant 12).
    """

    def __init__(self, since: int, *, at_most: int) -> None:
        self.since = since
        """What stands before this time (µs since 1970) is not known any more, or never was."""
        self._at_most = at_most
        self._seconds: dict[int, set[bytes]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, pos: Pos) -> bool:
        return _key(pos) in self._seconds.get(pos.at // SECOND, ())

    def add(self, places: Iterable[Pos]) -> None:
        """Remember these; what is older than `since` is not read again and not kept."""
        for pos in places:
            if pos.at >= self.since:
                second = self._seconds.setdefault(pos.at // SECOND, set())
                self._count -= len(second)
                second.add(_key(pos))
                self._count += len(second)
        while self._count > self._at_most and len(self._seconds) > 1:
            self.forget((min(self._seconds) + 1) * SECOND)

    def forget(self, before: int) -> None:
        """No overlap reads rows before this time again. Whole seconds are dropped."""
        for second in [second for second in self._seconds if (second + 1) * SECOND <= before]:
            self._count -= len(self._seconds.pop(second))
        self.since = max(self.since, before)


def _key(pos: Pos) -> bytes:
    return (pos.at % SECOND).to_bytes(3) + pos.tie
