"""Intents: the first outbox rows of conditional writes, held until their settled rows come or their grace has passed."""

from collections.abc import Sequence

from syncline_contracts.event import Kind
from syncline_store.engines.protocol import OutboxRow, Pos

GRACE = 10_000_000
"""How long an intent waits for its settled row, in µs. It is handled afterwards: needless perhaps, but never missing."""
AT_MOST = 20_000
"""How many are held; beyond it the oldest are due at once."""


class Intents:
    """The intents of one shard that wait. Both rows of a conditional write carry the same event id (its write_id).

    A reader takes the rows to publish from `sift` and `due`, and calls `published` once that is durable. Until then an
    intent stays held, and the mark stays before it (C3).
    """

    def __init__(self, *, grace: int = GRACE, at_most: int = AT_MOST) -> None:
        self._grace = grace
        self._at_most = at_most
        self._held: dict[Pos, OutboxRow] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def oldest(self) -> Pos | None:
        """The place that the mark must not pass."""
        return min(self._held, default=None)

    def holds(self, pos: Pos) -> bool:
        """Whether this row is one that waits."""
        return pos in self._held

    def sift(self, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        """Hold the intents; give back the other rows, in order."""
        self._held.update((row.pos, row) for row in rows if row.event.kind is Kind.INTENT)
        return [row for row in rows if row.event.kind is not Kind.INTENT]

    def due(self, now: int) -> list[OutboxRow]:
        """The intents that waited long enough, oldest first. They stay held until published."""
        waiting = sorted(self._held)
        surplus = max(0, len(waiting) - self._at_most)
        return [self._held[pos] for number, pos in enumerate(waiting) if number < surplus or pos.at + self._grace <= now]

    def published(self, rows: Sequence[OutboxRow]) -> list[Pos]:
        """Let go of what these rows settle or are; gives the places of the intents let go."""
        ids = {row.event.id for row in rows if row.event.kind in (Kind.SETTLED, Kind.INTENT)}
        gone = [pos for pos, row in self._held.items() if row.event.id in ids] if ids else []
        for pos in gone:
            del self._held[pos]
        return gone
