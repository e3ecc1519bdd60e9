"""A handler that records, waits and fails as told; consumers that run for a while; conditions that are awaited, not slept for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from syncline_contracts.errors import IndexUnavailable
from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.handler import Done, Pause, Undecodable, Verdict
from syncline_sync_worker.transport.kafka.consumer import KafkaConsumer

DEADLINE = 60.0


class Recording:
    """`done` is what was handled to the end, `batches` what was begun. `out`: an outage. `broken`: a bug."""

    def __init__(self) -> None:
        self.done: list[Delivery | Undecodable] = []
        self.batches: list[list[Delivery | Undecodable]] = []
        self.out = False
        self.broken: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.cancelled = 0

    async def handle(self, deliveries: Sequence[Delivery | Undecodable]) -> Verdict:
        self.batches.append(list(deliveries))
        if self.broken is not None:
            raise self.broken
        if self.out:
            return Pause(IndexUnavailable("out of order"))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.done += deliveries
        return Done()

    @property
    def keys(self) -> list[str]:
        return [one.event.key for one in self.done if isinstance(one, Delivery)]


async def until(condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Wait for it: what is looked at tells nobody when it changes."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*consumers: KafkaConsumer) -> AsyncIterator[asyncio.Event]:
    """They run inside the block, and are stopped at its end."""
    stop = asyncio.Event()
    async with asyncio.timeout(2 * DEADLINE), asyncio.TaskGroup() as group:
        for consumer in consumers:
            group.create_task(consumer.run(stop))
        try:
            yield stop
        finally:
            stop.set()
