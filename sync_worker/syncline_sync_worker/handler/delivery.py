"""Raw bytes from a transport as a delivery, or as the value that says why they are none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid5

from syncline_contracts import codec
from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.errors import UndecodableEvent
from syncline_store.indexing.delivery import Delivery


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Bytes that are no change event. A value, so that it cannot fail its batch-mates."""

    body: bytes
    headers: Mapping[str, str]
    source: str
    error: UndecodableEvent = field(compare=False)

    def letter(self, now: int) -> DeadLetter:
        """The dead letter that keeps the bytes as they came. The same bytes from the same place have the same letter."""
        return DeadLetter(
            id=uuid5(NAMESPACE_URL, f"syncline:{self.source}"),
            document=None,
            payload=self.body,
            headers=dict(self.headers),
            source=self.source,
            error=type(self.error).__name__,
            message=str(self.error),
            first_at=now,
            last_at=now,
        )


def decode(body: bytes, headers: Mapping[str, str], source: str) -> Delivery | Undecodable:
    """Read an event off a transport. `source` says where it stood: ``kafka/<topic>/<partition>/<offset>``."""
    try:
        return Delivery(event=codec.decode(body, headers), source=source, body=body, headers=headers)
    except UndecodableEvent as error:
        return Undecodable(body, headers, source, error)
