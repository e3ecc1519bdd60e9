"""Fills the next model's collection with what it lacks or holds in another state than the source."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from time import monotonic
from typing import assert_never

import numpy as np

from syncline_contracts.drift import DriftKind, Finding
from syncline_contracts.errors import Unavailable
from syncline_contracts.event import Kind
from syncline_contracts.identity import SEGMENTS
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine
from syncline_store.index.index import Index
from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.handler import Done, Handler, Pause
from syncline_sync_worker.reconcile.compare import NONE, ORPHAN, Differences
from syncline_sync_worker.reconcile.findings import Sides
from syncline_sync_worker.reconcile.repair import repair_event
from syncline_sync_worker.reconcile.scope import Scope
from syncline_sync_worker.reconcile.settle import Settle
from syncline_sync_worker.reconcile.walk import Compared, walk
from syncline_sync_worker.reindex.progress import Progress
from syncline_sync_worker.transport.backoff import Backoff, wait_for

SOURCE = "reindex"
"""Where a dead letter's event stood."""
FIRST_WAIT, LONGEST_WAIT = 0.25, 10.0

Tell = Callable[[Progress], None]
Waiting = Callable[[Unavailable], None]


class Build:
    """The reconciler's walk and comparison, and what differs goes through the handler: guards, settling and dead letters as ever.

    What is there and in step is neither embedded nor written, so that a build that was broken off, however that came, is resumed by
    starting it again. Live writes, and other builds of the same or of other parts, may run at the same time: whichever comes first, the
    guard keeps the higher revision (invariants 3, 12). In memory is one range of documents.
    """

    def __init__(self, engine: Engine, index: Index, handler: Handler, clock: Clock, *, per_range: int, batch: int) -> None:
        self._engine = engine
        self._index = index
        self._handler = handler
        self._clock = clock
        self._per_range = per_range
        self._batch = batch

    async def run(self, scope: Scope, stop: asyncio.Event, *, rate: float | None = None, tell: Tell, waiting: Waiting) -> Progress:
        """Until all of the scope was looked at, or the stop, which finishes the batch under way. `rate`: documents a second at most.

        An outage is waited out, however long: `waiting` is told of it, and the walk begins anew. Raises ConfigurationError.
        """
        progress, backoff = Progress(), Backoff(FIRST_WAIT, LONGEST_WAIT)
        while not stop.is_set():
            try:
                progress.total = round(await self._engine.documents.estimate() * len(scope.segments) / SEGMENTS)
                progress.complete = await self._walk(scope, stop, rate, progress, tell)
                break
            except Unavailable as error:
                waiting(error)
                progress.again()
                await wait_for(stop, backoff.next(error.retry_after))
        return progress

    async def _walk(self, scope: Scope, stop: asyncio.Event, rate: float | None, progress: Progress, tell: Tell) -> bool:
        """Whether it came to its end."""
        size = self._batch if rate is None else max(1, min(self._batch, int(rate)))
        async with aclosing(walk(self._engine, self._index, self._clock, scope, settle=Settle(0, 0), per_range=self._per_range)) as ranges:
            async for compared in ranges:
                lacking = _lacking(compared)
                progress.look(max(0, len(compared.sides.heads) - len(lacking)))
                for batch in _batches(compared.sides, lacking, self._clock, size):
                    begun = monotonic()
                    progress.handle(len(batch), await self._handle(batch))
                    tell(progress)
                    if await _keep(rate, len(batch), begun, stop):
                        return False
                tell(progress)
                if stop.is_set():
                    return False
        return True

    async def _handle(self, batch: Sequence[Delivery]) -> int:
        """How many became dead letters. Raises Unavailable when a part stays out for longer than the handler tries."""
        verdict = await self._handler.handle(batch)
        match verdict:
            case Done(counts=counts):
                return counts.get("dead_letter", 0)
            case Pause(reason=reason):
                raise reason
            case _:
                assert_never(verdict)


def _lacking(compared: Compared) -> Differences:
    """What differs. An orphan without a row, so young, may be a document that was put between the looks at both sides.

    One whose row says that it was deleted is mended at any age: its deletion may have been acknowledged by a process that does not write
    this collection. The handler reads the row again.
    """
    differences = compared.differences
    rowless = (differences.kinds == ORPHAN) & (differences.rows == NONE)
    young = rowless & compared.horizon.young(differences.since)
    return differences.only(~young & compared.sides.named(differences))


def _batches(sides: Sides, lacking: Differences, clock: Clock, size: int) -> Iterator[list[Delivery]]:
    for begin in range(0, len(lacking), size):
        chosen = np.zeros(len(lacking), np.bool_)
        chosen[begin : begin + size] = True
        yield [_delivery(finding, clock.now()) for finding in sides.findings(lacking.only(chosen))]


def _delivery(finding: Finding, now: int) -> Delivery:
    """What is missing may have come meanwhile, and is not embedded again then; what is there and wrong is mended in any case."""
    event = repair_event(finding, now)
    if finding.kind is DriftKind.MISSING:
        event = event.model_copy(update={"kind": Kind.WRITE})
    return Delivery(event=event, source=SOURCE)


async def _keep(rate: float | None, done: int, begun: float, stop: asyncio.Event) -> bool:
    """Wait until so many may have taken so long. An outage is not made up for by a rush. Whether it is time to stop."""
    ahead = 0.0 if rate is None else begun + done / rate - monotonic()
    return await wait_for(stop, ahead) if ahead > 0 else stop.is_set()
