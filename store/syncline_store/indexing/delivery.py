"""A delivered event: what the relay, a broker or a put hands to the indexer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncline_contracts.event import ChangeEvent


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event and where it came from; `body` and `headers` are its original bytes, for a dead letter, where there were any."""

    event: ChangeEvent
    source: str
    """``outbox/3/<pos>``, ``kafka/<topic>/<partition>/<offset>``, ``inline``."""
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
