"""One event a document: the greatest (revision, expires_at), the strongest kind, the oldest first_at (protocol step 1, H17)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_store.indexing.delivery import Delivery

_STRENGTH = {Kind.INTENT: 0, Kind.SETTLED: 1, Kind.WRITE: 1, Kind.TOUCH: 2, Kind.REPAIR: 3}


@dataclass(frozen=True, slots=True)
class Coalesced:
    """What the deliveries of one document come to.

    An intent says nothing about a revision, it waits for a write_id to go; so intents are kept beside the event, each to be
    deferred on its own (C1). `delivery` is the one that a dead letter would keep.
    """

    ref: Ref
    """Whose events they are: one object for all steps, since a document's id is a hash that is worth keeping."""
    event: ChangeEvent
    intents: tuple[ChangeEvent, ...]
    delivery: Delivery

    @property
    def document(self) -> UUID:
        """The document's id."""
        return self.ref.document

    @property
    def waiting(self) -> tuple[ChangeEvent, ...]:
        """The events to come again when this is deferred."""
        return self.intents if self.event.kind is Kind.INTENT else (self.event, *self.intents)


def coalesce(deliveries: Iterable[Delivery]) -> dict[Ref, Coalesced]:
    """One entry a document, in the order of first appearance."""
    groups: dict[Ref, list[Delivery]] = {}
    for delivery in deliveries:
        groups.setdefault(delivery.event.ref, []).append(delivery)
    return {ref: _merge(ref, group) for ref, group in groups.items()}


def _merge(ref: Ref, group: Sequence[Delivery]) -> Coalesced:
    first = group[0]
    if len(group) == 1:
        return Coalesced(ref, first.event, (first.event,) if first.event.kind is Kind.INTENT else (), first)
    ordinary = [delivery for delivery in group if delivery.event.kind is not Kind.INTENT]
    latest = max(ordinary or group, key=lambda delivery: (delivery.event.revision, delivery.event.expires_at))
    strongest = max((delivery.event.kind for delivery in group), key=_STRENGTH.__getitem__)
    oldest = min(delivery.event.first_at for delivery in group)
    event = latest.event.model_copy(update={"kind": strongest, "first_at": oldest})
    return Coalesced(ref, event, tuple({each.event.id: each.event for each in group if each.event.kind is Kind.INTENT}.values()), latest)
