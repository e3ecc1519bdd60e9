"""When somebody is told: of drift that is new, graver or still there after the cool-down, and once that it is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from syncline_contracts.drift import DriftReport, Finding, Verdict
from syncline_sync_worker.alerts.settings import AlertSettings

NAMED = 10
"""Findings that a message names, the gravest first."""
UNNAMED = "unnamed"


class Severity(IntEnum):
    """How grave it is."""

    RESOLVED = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Alert:
    """What somebody is told. `kinds`: what is wrong, to know the same thing again, and how grave each is. Empty: nothing is."""

    title: str
    body: str
    kinds: Mapping[str, Severity]

    @property
    def severity(self) -> Severity:
        """That of its gravest kind."""
        return max(self.kinds.values(), default=Severity.RESOLVED)


class Alarm:
    """Of one watch. `judge` says what is to be told, `told` that it was: what could not be sent is said again.

    Kept is of each kind when it was told last, and how grave it was then. So what comes and goes is told once in a cool-down, too.
    """

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._least = Severity[settings.least.upper()]
        self._told: dict[str, tuple[int, Severity]] = {}

    def judge(self, report: DriftReport, now: int) -> Alert | None:
        """What is to be told of this report at `now` (µs), None where nothing is."""
        return self.weigh(_alert(report, self._settings), now)

    def weigh(self, alert: Alert, now: int) -> Alert | None:
        """The same of what is already in words; RESOLVED says that all is well."""
        if alert.severity is Severity.RESOLVED:
            return alert if self._told else None
        due = any(self._due(kind, severity, now) for kind, severity in alert.kinds.items())
        return alert if due else None

    def _due(self, kind: str, severity: Severity, now: int) -> bool:
        if severity < self._least:
            return False
        if kind not in self._told:
            return True
        at, was = self._told[kind]
        return severity > was or now - at >= self._settings.cool_down * 1e6

    def told(self, alert: Alert, now: int) -> None:
        """It was sent at `now`."""
        if alert.severity is Severity.RESOLVED:
            self._told.clear()
        self._told |= {kind: (now, severity) for kind, severity in alert.kinds.items()}


def _alert(report: DriftReport, settings: AlertSettings) -> Alert:
    match report.verdict:
        case Verdict.IN_STEP:
            return Alert("Syncline: in step again", f"{report.documents:,} documents were compared.", {})
        case Verdict.UNKNOWN:
            return Alert("Syncline: could not tell", report.refused or "", {report.verdict: Severity.WARNING})
        case Verdict.DRIFT:
            return _of_drift(report, settings)


def _of_drift(report: DriftReport, settings: AlertSettings) -> Alert:
    count = len(report.findings) + report.unlisted + report.unnamed
    said = [f"{found:,} {kind}" for kind, found in sorted(report.by_kind.items())]
    said += [f"{number:,} {what}" for number, what in ((report.unlisted, "not looked at again"), (report.unnamed, UNNAMED)) if number]
    lines = [f"{', '.join(said)} of {report.documents:,} documents compared."]
    lines += [f"- {finding.kind}: {finding.document}: {finding.detail}" for finding in _gravest(report, settings)[:NAMED]]
    if len(report.findings) > NAMED:
        lines.append(f"and {len(report.findings) - NAMED:,} more: syncline reconcile report show latest")
    if report.repaired:
        lines.append(f"{report.repaired:,} repairs were written.")
    if report.refused is not None:
        lines.append(f"No repair: {report.refused}")
    title = f"Syncline: {count:,} document{'' if count == 1 else 's'} drifted"
    return Alert(title, "\n".join(lines), _kinds(report, settings, many=count >= settings.critical_from))


def _kinds(report: DriftReport, settings: AlertSettings, *, many: bool) -> dict[str, Severity]:
    kinds = {kind.value: Severity[settings.severity.of(kind).upper()] for kind in report.by_kind}
    if report.unnamed:
        kinds[UNNAMED] = Severity.WARNING
    return dict.fromkeys(kinds, Severity.CRITICAL) if many else kinds


def _gravest(report: DriftReport, settings: AlertSettings) -> list[Finding]:
    return sorted(report.findings, key=lambda finding: Severity[settings.severity.of(finding.kind).upper()], reverse=True)
