"""What the relay asks of a transport."""

from collections.abc import Sequence
from typing import Protocol

from syncline_store.engines.protocol import OutboxRow


class Publisher(Protocol):
    """Takes outbox rows and makes them durable beyond the relay. Safe to call for several shards at once.

    A transport that sends bytes uses the event's encoding in `syncline_contracts.codec` and the document's id as key, so that
    the events of one document stay in one partition.
    """

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        """Return when every row is durable beyond the relay: taken by the broker, or its effect is in the index.

        Raises Unavailable when that could not be reached; some rows may have been taken all the same, and all of them may
        come again. A cancelled call counts as one that raised.
        """

    async def aclose(self) -> None:
        """Let waiting calls fail with TransportUnavailable, and let go of connections."""
