"""The direct transport: the relay's rows go straight to the handler, in this process."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import assert_never

from syncline_contracts.errors import TransportUnavailable
from syncline_store.engines.protocol import OutboxRow
from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.handler.handler import Handler
from syncline_sync_worker.handler.verdict import Done, Pause
from syncline_sync_worker.transport.backoff import Backoff, wait_for

LONGEST_PROBE = 15.0
"""Seconds between two probes at most."""


class DirectPublisher:
    """Publishing returns once the handler is done with every row: what is durable beyond the relay is the effect itself.

    At most `in_flight` batches of `max_batch` rows are handled at once, whatever the number of shards, so that one
    batch embeds while another is written. While the handler pauses, the batch that met the outage is the probe:
    it is brought again after `probe_after` seconds, then after longer and longer, for `patience` seconds in all; then the
    call fails and the relay keeps the rows.
    """

    def __init__(
        self, handler: Handler, *, max_batch: int = 256, in_flight: int = 2, probe_after: float = 0.5, patience: float = 30.0
    ) -> None:
        self._handler = handler
        self._max_batch = max_batch
        self._slots = asyncio.Semaphore(in_flight)
        self._probe_after = probe_after
        self._patience = patience
        self._closing = asyncio.Event()

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        """Hand the rows over, in order. Raises TransportUnavailable when a pause outlasts the patience, or on closing."""
        for batch in _batches(rows, self._max_batch):
            async with self._slots:
                await self._hand_over([_delivery(row) for row in batch])

    async def aclose(self) -> None:
        """End the waits of what is being published."""
        self._closing.set()

    async def _hand_over(self, deliveries: Sequence[Delivery]) -> None:
        backoff, waited = Backoff(self._probe_after, LONGEST_PROBE), 0.0
        while True:
            verdict = await self._handler.handle(deliveries)
            match verdict:
                case Done():
                    return
                case Pause(reason):
                    wait = backoff.next(reason.retry_after)
                    if waited + wait > self._patience or await wait_for(self._closing, wait):
                        raise TransportUnavailable(f"handling pauses: {reason}", retry_after=reason.retry_after) from reason
                    waited += wait
                case _:
                    assert_never(verdict)


def _batches(rows: Sequence[OutboxRow], size: int) -> Iterator[Sequence[OutboxRow]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _delivery(row: OutboxRow) -> Delivery:
    return Delivery(event=row.event, source=f"outbox/{row.shard}/{row.pos}", body=None, headers={})
