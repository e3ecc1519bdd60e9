"""The watch: walk after walk, each reported, measured and told of; repaired too where that is asked for."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from syncline_contracts.audit import Action
from syncline_contracts.drift import DriftReport, Verdict
from syncline_contracts.errors import Unavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Audit
from syncline_sync_worker.alerts import Alarm, Alert, AlertSettings
from syncline_sync_worker.auditing import DONE, IN_PART, audited
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.reconcile.reconciler import Reconciler
from syncline_sync_worker.reconcile.reports import Reports
from syncline_sync_worker.reconcile.scope import Scope
from syncline_sync_worker.reconcile.settings import WatchSettings
from syncline_sync_worker.transport.backoff import unless, wait_for

log = structlog.get_logger(__name__)

Send = Callable[[Alert], Awaitable[bool]]


class Watch:
    """Runs until its stop. A walk under way is given up then, as it only reads; a repair, its report and its alert are finished."""

    def __init__(
        self,
        reconciler: Reconciler,
        audit: Audit,
        *,
        clock: Clock,
        scope: Scope,
        settings: WatchSettings,
        alerts: AlertSettings,
        send: Send,
        metrics: Metrics,
    ) -> None:
        self._reconciler = reconciler
        self._audit = audit
        self._reports = Reports(audit)
        self._clock = clock
        self._scope = scope
        self._settings = settings
        self._alarm = Alarm(alerts)
        self._send = send
        self._metrics = metrics

    async def run(self, stop: asyncio.Event) -> None:
        """Walk, then rest for the interval, again and again. An outage is a walk that could not tell, and never ends it."""
        self._metrics.watching()
        while not stop.is_set():
            walked = self._reconciler.check(self._scope, sample=self._settings.sample, rate=self._settings.rate)
            report = await unless(stop, walked)
            if report is None:
                return
            await self._conclude(report)
            await wait_for(stop, self._settings.interval)

    async def _conclude(self, report: DriftReport) -> None:
        """What a walk found is repaired if that is asked for, then told."""
        try:
            report = await self._repaired(report)
            await self._reports.keep(report, self._scope, at=self._clock.now())
        except Unavailable as outage:
            log.warning("the storage took no repair or no report", error=str(outage))
        self._metrics.reconciled(report)
        log.info(
            "walked",
            verdict=report.verdict.value,
            documents=report.documents,
            drift={kind.value: count for kind, count in report.by_kind.items()},
            repaired=report.repaired,
            refused=report.refused,
            seconds=round(report.seconds, 1),
        )
        await self._tell(report)

    async def _repaired(self, report: DriftReport) -> DriftReport:
        if not self._settings.repair or report.verdict is not Verdict.DRIFT or report.refused is not None:
            return report
        return await audited_repair(self._reconciler, report, self._audit)

    async def _tell(self, report: DriftReport) -> None:
        alert = self._alarm.judge(report, self._clock.now())
        if alert is None:
            return
        if await self._send(alert):
            self._alarm.told(alert, self._clock.now())
        else:
            self._metrics.alert_failed()


async def audited_repair(reconciler: Reconciler, report: DriftReport, audit: Audit) -> DriftReport:
    """Repair what a report found, within the caps, and write down who did. Raises StorageUnavailable."""
    async with audited(audit, Action.REPAIR) as entry:
        entry.details = {"found": {kind.value: count for kind, count in report.by_kind.items()}}
        outcome = await reconciler.repair(report)
        if outcome.repaired:
            entry.details |= {"repaired": outcome.repaired, "first": [str(finding.document) for finding in report.findings[:5]]}
            entry.outcome = DONE if outcome.repaired == len(report.findings) else IN_PART
        return outcome
