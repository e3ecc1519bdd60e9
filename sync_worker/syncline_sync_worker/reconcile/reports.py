"""The reports of past runs, kept in the store: what `syncline reconcile report` lists, shows and compares.

A report lies among the audit's records, and ends with them: its findings in pages, then its head. Without a head it is not there.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from syncline_contracts.audit import Action, AuditRecord
from syncline_contracts.drift import DriftReport, Finding
from syncline_contracts.errors import InvalidInput
from syncline_store.engines.protocol import Audit, AuditFilter
from syncline_sync_worker.auditing import whoami
from syncline_sync_worker.reconcile.scope import Scope

FINDINGS = 100
"""Findings in a record: some 50 KB."""
PAGE = 20
_REPORT, _SCOPE, _FOUND, _FINDINGS = "report", "scope", "found", "findings"
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Kept:
    """A report without its findings. `found`: how many it has."""

    id: str
    at: int
    who: str
    verdict: str
    scope: Mapping[str, Any]
    found: int
    counts: Mapping[str, Any]
    """The report's other fields."""

    @property
    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {"id": self.id, "at": self.at, "who": self.who, "verdict": self.verdict, "scope": dict(self.scope), "found": self.found} | {
            name: self.counts.get(name) for name in ("by_kind", *_COUNTS)
        }

    @property
    def index(self) -> tuple[str | None, str | None]:
        """What was compared with the source: the model and the collection. None where an older version of Syncline did not say."""
        return self.counts.get("model"), self.counts.get("collection")

    def apart(self, other: "Kept") -> str | None:
        """Why the two cannot be compared: what one did not look at would seem resolved. None where they can."""
        if self.scope != other.scope:
            return f"of different scopes ({_differing(self.scope, other.scope)})"
        if self.index != other.index:
            return f"of different indexes ({_named(self.index)}; {_named(other.index)})"
        return None


_COUNTS = (
    "model",
    "collection",
    "documents",
    "points",
    "sampled",
    "young",
    "unlisted",
    "unnamed",
    "repaired",
    "refused",
    "started_at",
    "seconds",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a report says that the one before it did not, what both say, and what only the one before said."""

    new: Sequence[Finding]
    persisting: Sequence[Finding]
    resolved: Sequence[Finding]


class Reports:
    """Those of one store."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def keep(self, report: DriftReport, scope: Scope, *, at: int, who: str | None = None) -> str:
        """Write one down as of `at` (µs); its id. Raises StorageUnavailable."""
        name, who = uuid4().hex, who or whoami()

        def record(action: Action, details: dict[str, Any]) -> AuditRecord:
            return AuditRecord(
                at=at, who=who, action=action, tenant=scope.tenant, details={_REPORT: name} | details, outcome=report.verdict
            )

        found = [finding.model_dump(mode="json") for finding in report.findings]
        for begin in range(0, len(found), FINDINGS):
            await self._audit.record([record(Action.FINDINGS, {_FINDINGS: found[begin : begin + FINDINGS]})])
        head = report.model_dump(mode="json", exclude={"findings"})
        by_kind = {kind.value: count for kind, count in report.by_kind.items()}
        await self._audit.record([record(Action.CHECK, head | {"by_kind": by_kind, _SCOPE: scope_data(scope), _FOUND: len(found)})])
        return name

    async def newest(self) -> AsyncIterator[Kept]:
        """All that are there, the newest first."""
        async for record in self._scan(AuditFilter(action=Action.CHECK), PAGE):
            yield _kept(record)

    async def find(self, which: str) -> Kept:
        """The one whose id begins so, or the `latest`. Raises InvalidInput where there is none."""
        async for kept in self.newest():
            if which == LATEST or kept.id.startswith(which):
                return kept
        raise InvalidInput("report", f"there is no report {which!r}: `syncline reconcile report list` names those that are kept")

    async def before(self, kept: Kept) -> Kept | None:
        """The one before it of the same scope and index."""
        async for other in self.newest():
            if (other.at, other.id) != (kept.at, kept.id) and other.at <= kept.at and kept.apart(other) is None:
                return other
        return None

    async def findings(self, kept: Kept) -> list[Finding]:
        """What it found."""
        where = AuditFilter(action=Action.FINDINGS, since=kept.at, until=kept.at + 1)
        pages = [record.details async for record in self._scan(where, PAGE) if record.details.get(_REPORT) == kept.id]
        return [Finding.model_validate(finding) for page in pages for finding in page[_FINDINGS]]

    async def compare(self, newer: Kept, older: Kept) -> Difference:
        """Raises InvalidInput where they are not of the same scope and index."""
        if (why := newer.apart(older)) is not None:
            raise InvalidInput("report", f"{newer.id[:8]} and {older.id[:8]} are {why}, and cannot be compared")
        now = {(finding.document, finding.kind): finding for finding in await self.findings(newer)}
        then = {(finding.document, finding.kind): finding for finding in await self.findings(older)}
        return Difference(
            new=[finding for name, finding in now.items() if name not in then],
            persisting=[finding for name, finding in now.items() if name in then],
            resolved=[finding for name, finding in then.items() if name not in now],
        )

    async def _scan(self, where: AuditFilter, limit: int) -> AsyncIterator[AuditRecord]:
        after: str | None = None
        while True:
            page = await self._audit.scan(after, limit, where=where)
            for record in page.items:
                yield record
            if (after := page.after) is None:
                return


def scope_data(scope: Scope) -> dict[str, Any]:
    """A scope as JSON keeps it."""
    return {**asdict(scope), "namespace": list(scope.namespace)}


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {one.get(name)}, {other.get(name)}" for name in one if one.get(name) != other.get(name))


def _named(index: tuple[str | None, str | None]) -> str:
    model, collection = index
    return f"{collection or 'unknown'} of the model {model or 'unknown'}"


def _kept(record: AuditRecord) -> Kept:
    details = record.details
    return Kept(details[_REPORT], record.at, record.who, record.outcome, details[_SCOPE], details[_FOUND], details)
