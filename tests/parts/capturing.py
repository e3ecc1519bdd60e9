"""A publisher that keeps what it is given and acknowledges when told."""

import asyncio
from collections.abc import Sequence

from syncline_contracts.errors import TransportUnavailable
from syncline_store.engines.protocol import OutboxRow


class CapturingPublisher:
    """`sent` is all that was handed over, `published` what was acknowledged. `down`: every call raises."""

    def __init__(self) -> None:
        self.sent: list[OutboxRow] = []
        self.published: list[OutboxRow] = []
        self.down = False
        self.acknowledging = asyncio.Event()
        self.acknowledging.set()
        self.called = asyncio.Event()

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        if self.down:
            raise TransportUnavailable("the transport is down")
        self.sent.extend(rows)
        self.called.set()
        await self.acknowledging.wait()
        self.published.extend(rows)

    async def aclose(self) -> None:
        return

    @property
    def keys(self) -> list[str]:
        return [row.event.key for row in self.published]
