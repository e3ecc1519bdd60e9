"""Two further looks, each after a delay: what is not seen again in the same way is no drift."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import numpy as np

from syncline_contracts.drift import DriftKind, Finding
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine
from syncline_store.index.index import Index
from syncline_store.index.points import Field
from syncline_sync_worker.reconcile.horizon import in_flight, read_horizon
from syncline_sync_worker.reconcile.looks import look_again
from syncline_sync_worker.reconcile.progress import ProgressCallback, Stage
from syncline_sync_worker.reconcile.sample import Sample
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.reconcile.settle import Settle
from syncline_sync_worker.reconcile.tally import Tally
from syncline_sync_worker.reconcile.unhandled import Unhandled


class Confirmation:
    """Looks again at just the documents that differed (docs/protocol.md, D1)."""

    def __init__(
        self,
        engine: Engine,
        index: Index,
        clock: Clock,
        sample: Sample,
        *,
        settings: ReconcileSettings,
        settle: Settle,
        unhandled: Unhandled,
        overdue: int | None = None,
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._engine = engine
        self._index = index
        self._clock = clock
        self._sample = sample
        self._settings = settings
        self._settle = settle
        self._unhandled = unhandled
        self._overdue = overdue
        self._sleep = sleep

    async def confirm(self, tally: Tally, progress: ProgressCallback) -> None:
        """Leave only those suspects that each look sees again."""
        looks = self._settings.confirmations
        for number in range(looks):
            progress(tally.progress(Stage.CONFIRM, number, looks))
            if tally.suspects:
                await self._sleep(self._delay(tally.suspects))
                await self._look(tally)
        progress(tally.progress(Stage.CONFIRM, looks, looks))

    def _delay(self, suspects: Sequence[Finding]) -> float:
        """Seconds. An expiry that was just extended does not show in a revision's age: its event must have had the time to surface."""
        stale = [suspect for suspect in suspects if suspect.kind is DriftKind.STALE]
        may_be_extended = any(suspect.source_revision == suspect.index_revision for suspect in stale)
        surfacing = self._engine.outbox.lateness / 1e6 / self._settings.confirmations if may_be_extended else 0.0
        return max(self._settings.delay, surfacing)

    async def _look(self, tally: Tally) -> None:
        """The unhandled events are read before both sides: an event that is handled in between shows in the index."""
        horizon = await read_horizon(self._engine, self._clock, self._settle, self._unhandled)
        flying = await in_flight(self._engine, self._clock, [suspect.ref for suspect in tally.suspects], self._unhandled)
        tally.leave_young([suspect.ref in flying for suspect in tally.suspects])
        again: list[Finding] = []
        for begin in range(0, len(tally.suspects), self._settings.look_documents):
            again += await self._seen_again(tally.suspects[begin : begin + self._settings.look_documents])
        tally.suspects = again
        tally.leave_young(horizon.young(np.array([suspect.since for suspect in again], np.int64)).tolist())

    async def _seen_again(self, suspects: Sequence[Finding]) -> list[Finding]:
        found = await look_again(self._engine, self._index, self._clock, suspects, overdue=self._overdue)
        now = {finding.document: finding for finding in found}
        sampled = [suspect for suspect in suspects if suspect.document not in now and _of_sample(suspect)]
        for begin in range(0, len(sampled), self._settings.sample_documents):
            _, found = await self._sample.look([suspect.ref for suspect in sampled[begin : begin + self._settings.sample_documents]])
            now |= {finding.document: finding for finding in found}
        now |= await self._still_twice([suspect for suspect in suspects if suspect.points])
        return [now[suspect.document] for suspect in suspects if suspect.document in now and _same(suspect, now[suspect.document])]

    async def _still_twice(self, suspects: Sequence[Finding]) -> dict[UUID, Finding]:
        """A document's points are asked for by their ids, and that of a stray is none of them."""
        strays = [point for suspect in suspects for point in suspect.points]
        there = await self._index.payloads(strays) if strays else {}
        return {
            suspect.document: suspect
            for suspect in suspects
            if any(there.get(point, {}).get(Field.DOCUMENT) == str(suspect.document) for point in suspect.points)
        }


def _of_sample(suspect: Finding) -> bool:
    """Found by recomputing: the columns alone do not show it."""
    return suspect.kind in (DriftKind.CORRUPT, DriftKind.PAYLOAD, DriftKind.PASSAGE_GAP)


def _same(one: Finding, other: Finding) -> bool:
    """The same difference between the same states, not another one of the same document."""
    return _difference(one) == _difference(other)


def _difference(finding: Finding) -> tuple[object, ...]:
    return finding.kind, finding.source_revision, finding.index_revision, finding.expires_at
