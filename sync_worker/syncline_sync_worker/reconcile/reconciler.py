"""The reconciler: walk both sides, look again at what differs, report; repair when asked to."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import assert_never

from syncline_contracts.drift import DriftReport
from syncline_contracts.errors import Unavailable
from syncline_contracts.identity import SYSTEM_TENANT
from syncline_contracts.revision import Clock
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import Engine
from syncline_store.index.index import Index
from syncline_store.settings import IndexingSettings, StoreSettings
from syncline_sync_worker.reconcile.confirm import Confirmation
from syncline_sync_worker.reconcile.pace import Pace
from syncline_sync_worker.reconcile.progress import ProgressCallback, Stage, show_nothing
from syncline_sync_worker.reconcile.repair import delete_strays, write_repairs
from syncline_sync_worker.reconcile.resume import Checkpoint
from syncline_sync_worker.reconcile.safety import Allowed, Refusal, another_store, judge, source_looks_empty
from syncline_sync_worker.reconcile.sample import Sample
from syncline_sync_worker.reconcile.scope import Scope, cut
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.reconcile.settle import Settle
from syncline_sync_worker.reconcile.tally import Tally
from syncline_sync_worker.reconcile.unhandled import DIRECT, Unhandled
from syncline_sync_worker.reconcile.walk import Compared, walk

EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Course:
    """What one walk goes over, how fast, and where it writes down how far it is."""

    scope: Scope
    sample: float
    rate: float | None
    checkpoint: Checkpoint | None
    source: str

    async def begin(self, tally: Tally) -> int | None:
        """The segment to begin with, None for the first."""
        return None if self.checkpoint is None else await self.checkpoint.begin(self.source, self.scope, self.sample, tally)

    async def passed(self, segment: int, tally: Tally) -> None:
        """All before this segment is compared."""
        if self.checkpoint is not None:
            await self.checkpoint.save(self.source, self.scope, self.sample, tally, segment)


class Reconciler:
    """Compares what the source and the index really hold, both ways, by revision (docs/architecture.md, invariant 10).

    `check` only reads. `repair` writes outbox events for what a check found (invariant 11), and deletes points that none speaks of
    (decision 0015). What may still be in flight is left alone: nothing newer than the oldest unhandled event or the settle window, no
    document with an unhandled event, and nothing that two delayed looks at just that document do not see again. Memory is bounded by
    a range of documents, not by the collection. `unhandled` is what the transport holds; with the direct one, nothing.
    `overdue`: µs after its expiry at which a point should long have been swept; None: that is not asked.
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
        overdue: int | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._index = index
        self._clock = clock
        self._settings = settings
        self._unhandled = unhandled
        self._overdue = overdue
        self._sleep = sleep
        self.settle = Settle(*settings.settle_us)
        """How long what was written is left alone; whoever measures the lag tells it."""
        self._sample = Sample(engine, index, embedder, clock, indexing)
        self._confirmation = Confirmation(
            engine, index, clock, self._sample, settings=settings, settle=self.settle, unhandled=unhandled, overdue=overdue, sleep=sleep
        )

    async def check(
        self,
        scope: Scope = EVERYTHING,
        *,
        sample: float = 0.0,
        progress: ProgressCallback = show_nothing,
        rate: float | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> DriftReport:
        """Walk, confirm, report. `sample`: the share 0..1 of the documents in step whose payloads and vectors are computed again.

        `rate`: documents a second at most. With a `checkpoint` the walk goes on where one that was killed has been. An outage is not
        raised but reported: the verdict is then `could_not_tell`. Raises InvalidInput for a checkpoint of another check.
        """
        report = await self._checked(scope, sample=sample, progress=progress, rate=rate, checkpoint=checkpoint)
        return report.model_copy(update={"model": self._index.model, "collection": self._index.collection})

    async def _checked(
        self, scope: Scope, *, sample: float, progress: ProgressCallback, rate: float | None, checkpoint: Checkpoint | None
    ) -> DriftReport:
        tally = Tally(self._settings.max_findings, started_at=self._clock.now())
        try:
            source = await self._engine.identity()
            refused = another_store(source, await self._index.source())
            if refused is None:
                met = await self._walk(Course(scope, sample, rate, checkpoint, source), tally, progress)
                refused = None if met else await self._refused(tally)
            if refused is None:
                await self._confirmation.confirm(tally, progress)
        except Unavailable as outage:
            return tally.report(f"could not read both sides: {outage}")  # a checkpoint stays, to go on from
        if checkpoint is not None:
            await checkpoint.done()
        return tally.report(refused)

    async def _walk(self, course: Course, tally: Tally, progress: ProgressCallback) -> bool:
        """Whether it met a document of any app's."""
        met = False
        settings, pace = self._settings, Pace(course.rate, self._sleep)
        walking = walk(
            self._engine,
            self._index,
            self._clock,
            course.scope,
            settle=self.settle,
            per_range=pace.per_range(settings.range_documents),
            unhandled=self._unhandled,
            begin=await course.begin(tally),
            overdue=self._overdue,
        )
        async with aclosing(walking):
            async for compared in walking:
                before = tally.documents
                tally.count(compared)
                met = met or any(ref.tenant != SYSTEM_TENANT for ref in compared.sides.heads.refs)  # in truth looks at the first one
                await self._look_at_vectors(compared, course.sample, tally)
                await course.passed(compared.segments.stop, tally)
                progress(tally.progress(Stage.WALK, compared.done, compared.total))
                await pace.after(tally.documents - before)
        return met

    async def _look_at_vectors(self, compared: Compared, share: float, tally: Tally) -> None:
        refs = compared.sample(share)
        for begin in range(0, len(refs), self._settings.sample_documents):
            tally.count_sample(*await self._sample.look(refs[begin : begin + self._settings.sample_documents]))

    async def _refused(self, tally: Tally) -> str | None:
        if not tally.removals or await self._holds_documents():
            return None
        return source_looks_empty(tally.removals)

    async def _holds_documents(self) -> bool:
        """Whether the source holds any document, of whatever scope. Probes are none: a watch on the wrong source writes them there."""
        for segments in cut(EVERYTHING.segments, await self._engine.documents.estimate(), self._settings.range_documents):
            blocks = [block async for block in self._engine.documents.heads(segments.start, segments.stop - 1)]
            if any(ref.tenant != SYSTEM_TENANT for block in blocks for ref in block.refs):
                return True
        return False

    def plan(self, report: DriftReport, *, max_repairs: int | None = None, max_share: float | None = None) -> Allowed | Refusal:
        """What `repair` would do with this report, and nothing is done."""
        return judge(report, self._settings.caps.but(max_repairs, max_share))

    async def repair(self, report: DriftReport, *, max_repairs: int | None = None, max_share: float | None = None) -> DriftReport:
        """Write an outbox event for each finding of a report, within the caps; the report then says how many, or why none.

        Raises StorageUnavailable, IndexUnavailable; what was written by then is whole, and repairing again is harmless.
        """
        judged = self.plan(report, max_repairs=max_repairs, max_share=max_share)
        if isinstance(judged, Refusal):
            return report.model_copy(update={"refused": judged.why})
        if isinstance(judged, Allowed):
            await delete_strays(self._index, judged.findings, self._settings.repair_batch)
            written = await write_repairs(self._engine.outbox, judged.findings, self._clock.now(), self._settings.repair_batch)
            return report.model_copy(update={"repaired": written})
        assert_never(judged)


def overdue(settings: StoreSettings) -> int:
    """µs after its expiry at which a point should be swept: its grace, and twice the time between two sweeps."""
    return settings.tombstone_grace_us + int(2 * settings.sweep_interval * 1e6)
