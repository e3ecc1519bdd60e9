"""When somebody is told: of drift that is new, graver or still there after the cool-down, and once that it is over."""

from dataclasses import dataclass
from enum import IntEnum

from syncline_contracts.drift import DriftReport, Verdict
from syncline_sync_worker.alerts.settings import AlertSettings

NAMED = 10
"""Findings that a message names."""


class Severity(IntEnum):
    """How grave it is."""

    RESOLVED = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Alert:
    """What somebody is told. `kinds`: what is wrong, to know the same thing again."""

    severity: Severity
    title: str
    body: str
    kinds: frozenset[str]


class Alarm:
    """Of one watch. `judge` says what is to be told, `told` that it was: what could not be sent is said again."""

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._standing: Alert | None = None
        self._told_at = 0

    def judge(self, report: DriftReport, now: int) -> Alert | None:
        """What is to be told of this report at `now` (µs), None where nothing is."""
        return self.weigh(_alert(report, self._settings), now)

    def weigh(self, alert: Alert, now: int) -> Alert | None:
        """The same of what is already in words; RESOLVED says that all is well."""
        standing = self._standing
        if alert.severity is Severity.RESOLVED:
            return alert if standing is not None else None
        if alert.severity < Severity[self._settings.least.upper()]:
            return None
        if standing is None or alert.severity > standing.severity or alert.kinds - standing.kinds:
            return alert
        return alert if now - self._told_at >= self._settings.cool_down * 1e6 else None

    def told(self, alert: Alert, now: int) -> None:
        """It was sent at `now`."""
        self._standing = None if alert.severity is Severity.RESOLVED else alert
        self._told_at = now


def _alert(report: DriftReport, settings: AlertSettings) -> Alert:
    match report.verdict:
        case Verdict.IN_STEP:
            return Alert(Severity.RESOLVED, "Syncline: in step again", f"{report.documents:,} documents were compared.", frozenset())
        case Verdict.UNKNOWN:
            return Alert(Severity.WARNING, "Syncline: could not tell", report.refused or "", frozenset({report.verdict}))
        case Verdict.DRIFT:
            return _of_drift(report, settings)


def _of_drift(report: DriftReport, settings: AlertSettings) -> Alert:
    count = len(report.findings) + report.unlisted + report.unnamed
    kinds = {kind.value: found for kind, found in sorted(report.by_kind.items())}
    said = [f"{found:,} {kind}" for kind, found in kinds.items()]
    said += [f"{number:,} {what}" for number, what in ((report.unlisted, "not looked at again"), (report.unnamed, "unnamed")) if number]
    lines = [f"{', '.join(said)} of {report.documents:,} documents compared."]
    lines += [f"- {finding.kind}: {finding.document}: {finding.detail}" for finding in report.findings[:NAMED]]
    if len(report.findings) > NAMED:
        lines.append(f"and {len(report.findings) - NAMED:,} more: syncline reconcile report show latest")
    if report.repaired:
        lines.append(f"{report.repaired:,} repairs were written.")
    if report.refused is not None:
        lines.append(f"No repair: {report.refused}")
    grave = Severity.CRITICAL if count >= settings.critical_from else Severity.WARNING
    title = f"Syncline: {count:,} document{'' if count == 1 else 's'} drifted"
    return Alert(grave, title, "\n".join(lines), frozenset(kinds or {"unnamed"}))
