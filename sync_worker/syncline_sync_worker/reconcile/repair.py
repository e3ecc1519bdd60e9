"""Repair: an outbox event for each finding, so that ordering, guards and dead letters apply as to any write (invariant 11).

Points that no event can speak of, because their ids are not those of their documents' passages, are deleted before (decision 0015).
"""

from collections.abc import Sequence

from syncline_contracts.drift import Finding
from syncline_contracts.event import ChangeEvent, Kind
from syncline_store.engines.protocol import Outbox
from syncline_store.index.changes import Stray
from syncline_store.index.index import Index


def repair_event(finding: Finding, now: int) -> ChangeEvent:
    """The event that mends a finding.

    It names the state that it is about: of what is removed the point's, any other's the row's. `first_at` is when that state was
    made, so that the handler does not take an old orphan's absent row for one that has yet to surface, and defer.
    """
    seen = finding.index_revision if finding.kind.removal else finding.source_revision
    revision = now if seen is None else seen
    return ChangeEvent.of(finding.ref, revision, Kind.REPAIR, first_at=min(now, revision), expires_at=finding.expires_at)


async def delete_strays(index: Index, findings: Sequence[Finding], batch: int) -> None:
    """Delete the points under strange ids. Stopped half-way, the next check finds what is left. Raises IndexUnavailable."""
    strays = [Stray(point, finding.document, finding.since) for finding in findings for point in finding.points]
    for begin in range(0, len(strays), batch):
        await index.delete_strays(strays[begin : begin + batch])


async def write_repairs(outbox: Outbox, findings: Sequence[Finding], now: int, batch: int) -> int:
    """Write the events in batches; how many were written. Stopped half-way, those that were written are whole."""
    for begin in range(0, len(findings), batch):
        await outbox.append([repair_event(finding, now) for finding in findings[begin : begin + batch]])
    return len(findings)
