"""The reconciler: walk both sides, look again at what differs, report; repair when asked to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_never

from syncline_contracts.drift import DriftReport
from syncline_contracts.errors import Unavailable
from syncline_contracts.revision import Clock
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import Engine
from syncline_store.index.index import Index
from syncline_store.settings import IndexingSettings
from syncline_sync_worker.reconcile.confirm import Confirmation
from syncline_sync_worker.reconcile.progress import ProgressCallback, Stage, show_nothing
from syncline_sync_worker.reconcile.repair import write_repairs
from syncline_sync_worker.reconcile.safety import Allowed, Refusal, another_store, judge, source_looks_empty
from syncline_sync_worker.reconcile.sample import Sample
from syncline_sync_worker.reconcile.scope import Scope
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.reconcile.tally import Tally
from syncline_sync_worker.reconcile.unhandled import DIRECT, Unhandled
from syncline_sync_worker.reconcile.walk import Compared, walk

EVERYTHING = Scope()


class Reconciler:
    """Compares what the source and the index really hold, both ways, by revision (docs/architecture.md, invariant 10).

    `check` only reads. `repair` writes outbox events for what a check found, and nothing else (invariant 11). What may still be
    in flight is left alone: nothing newer than the oldest unhandled event or the settle window, no document with an unhandled
    event, and nothing that two delayed looks at just that document do not see again. Memory is bounded by a range of
    documents, not by the collection. `unhandled` is what the transport holds; with the direct one, nothing.
    """

    def __init__(
        self,
        engine: Engine,
        index: Index,
        embedder: Embedder,
        indexing: IndexingSettings,
        *,
        clock: Clock,
        settings: ReconcileSettings,
        unhandled: Unhandled = DIRECT,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._index = index
        self._clock = clock
        self._settings = settings
        self._unhandled = unhandled
        self._sample = Sample(engine, index, embedder, clock, indexing)
        self._confirmation = Confirmation(engine, index, clock, self._sample, settings=settings, unhandled=unhandled, sleep=sleep)

    async def check(self, scope: Scope = EVERYTHING, *, sample: float = 0.0, progress: ProgressCallback = show_nothing) -> DriftReport:
        """Walk, confirm, report. `sample`: the share 0..1 of the documents in step whose vectors are computed again.

        An outage is not raised but reported: the verdict is then `could_not_tell`.
        """
        tally = Tally(self._settings.max_findings, started_at=self._clock.now())
        try:
            refused = another_store(await self._engine.identity(), await self._index.source())
            if refused is None:
                await self._walk(scope, sample, tally, progress)
                refused = await self._refused(tally)
            if refused is None:
                await self._confirmation.confirm(tally, progress)
        except Unavailable as outage:
            refused = f"could not read both sides: {outage}"
        return tally.report(refused)

    async def _walk(self, scope: Scope, sample: float, tally: Tally, progress: ProgressCallback) -> None:
        settings = self._settings
        async for compared in walk(
            self._engine,
            self._index,
            self._clock,
            scope,
            settle=settings.settle_us,
            per_range=settings.range_documents,
            unhandled=self._unhandled,
        ):
            tally.count(compared)
            if sample > 0:
                await self._look_at_vectors(compared, sample, tally)
            progress(tally.progress(Stage.WALK, compared.done, compared.total))

    async def _look_at_vectors(self, compared: Compared, share: float, tally: Tally) -> None:
        refs = compared.sample(share)
        for begin in range(0, len(refs), self._settings.sample_documents):
            tally.count_sample(*await self._sample.look(refs[begin : begin + self._settings.sample_documents]))

    async def _refused(self, tally: Tally) -> str | None:
        estimate = 0 if tally.documents else await self._engine.documents.estimate()
        return source_looks_empty(tally.documents, estimate, tally.removals)

    async def repair(self, report: DriftReport, *, max_repairs: int | None = None, max_share: float | None = None) -> DriftReport:
        """Write an outbox event for each finding of a report, within the caps; the report then says how many, or why none.

        Raises StorageUnavailable; what was written by then is whole, and repairing again is harmless.
        """
        judged = judge(report, self._settings.caps.but(max_repairs, max_share))
        if isinstance(judged, Refusal):
            return report.model_copy(update={"refused": judged.why})
        if isinstance(judged, Allowed):
            written = await write_repairs(self._engine.outbox, judged.findings, self._clock.now(), self._settings.repair_batch)
            return report.model_copy(update={"repaired": written})
        assert_never(judged)
