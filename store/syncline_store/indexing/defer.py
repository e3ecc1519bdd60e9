"""An event that is ahead of its document comes again later, as a new outbox row (protocol step 4)."""

from collections.abc import Sequence

from syncline_contracts.event import ChangeEvent

SOONEST = 250_000
LATEST = 30_000_000


def due(events: Sequence[ChangeEvent], now: int) -> int:
    """When to look again, µs since 1970: after as long as the youngest of them has waited already, within bounds."""
    waited = min(now - event.first_at for event in events)
    return now + min(max(waited, SOONEST), LATEST)
