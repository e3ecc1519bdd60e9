"""Read-repair: what a search found and had to drop goes through the outbox again, if that was asked for, and not too often.

Off by default, and capped: a damaged index must not turn searches into a flood of writes (architecture, invariant 11).
"""

from collections.abc import Callable, Sequence

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Outbox
from syncline_store.search.hydrate import Dropped

MINUTE = 60_000_000


class ReadRepair:
    """Writes repair events, `per_minute` at most. `written` is called after some were."""

    def __init__(self, outbox: Outbox, clock: Clock, per_minute: int, written: Callable[[], None]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._per_minute = per_minute
        self._written = written
        self._minute = 0
        self._left = 0

    async def __call__(self, dropped: Sequence[Dropped]) -> None:
        """Raises StorageUnavailable."""
        now = self._clock.now()
        events = {drop.ref.document: _repair(drop, now) for drop in dropped if drop.is_drift}
        allowed = list(events.values())[: self._allowance()]
        if allowed:
            self._left -= len(allowed)
            await self._outbox.append(allowed)
            self._written()

    def _allowance(self) -> int:
        minute = self._clock.now() // MINUTE
        if minute != self._minute:
            self._minute, self._left = minute, self._per_minute
        return self._left


def _repair(drop: Dropped, now: int) -> ChangeEvent:
    """Its age is that of the state the point shows, so that an old one is not taken for a write in flight."""
    state = drop.found.state
    return ChangeEvent.of(drop.ref, state.revision, Kind.REPAIR, first_at=min(now, state.revision), expires_at=state.expires_at)
