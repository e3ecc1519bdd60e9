"""What a transport holds between relay and handler: events that the mark has passed and nobody has handled."""

from collections.abc import Collection
from typing import Protocol

from syncline_contracts.identity import Ref


class Unhandled(Protocol):
    """Asked after the marks and before the outbox's rows behind them, so that no event escapes between the two (docs/protocol.md, D1)."""

    async def oldest(self) -> int | None:
        """When about the oldest was made (µs since 1970), None without any. Raises Unavailable."""

    async def among(self, refs: Collection[Ref]) -> set[Ref]:
        """Those of the documents that any of them speaks of, whatever its revision or age. Raises Unavailable."""


class NothingUnhandled:
    """The direct transport: what is published is handled."""

    async def oldest(self) -> int | None:
        """None."""
        return None

    async def among(self, refs: Collection[Ref]) -> set[Ref]:  # noqa: ARG002 - the Protocol's
        """No document."""
        return set()


DIRECT = NothingUnhandled()
