"""An event that is ahead of its document comes again later, as a new outbox row (protocol step 4)."""

from collections.abc import Sequence

from syncline_contracts.event import ChangeEvent

SOONEST = 250_000
LATEST = 30_000_000


def over(events: Sequence[ChangeEvent], now: int) -> bool:
    """Whether nothing that they announce can be shown any more: their documents' lives have ended meanwhile."""
    return all(event.expires_at <= now for event in events)


def due(events: Sequence[ChangeEvent], now: int, lateness: int) -> int:
    """When to look again, µs since 1970: after as long as the youngest of them has waited already, within bounds.

    What is over waits until no row surfaces any more (`lateness`, µs), and is looked at once: a backlog of such events would otherwise
    be written anew some twenty times.
    """
    if over(events, now):
        return max(event.first_at for event in events) + lateness
    waited = min(now - event.first_at for event in events)
    return now + min(max(waited, SOONEST), LATEST)
