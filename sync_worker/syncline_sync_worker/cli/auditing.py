"""``syncline audit``: who replayed, discarded and repaired what."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from syncline_sync_worker.cli.command import command, epilog
from syncline_sync_worker.cli.output import table
from syncline_sync_worker.cli.place import show_namespace
from syncline_sync_worker.cli.running import FINE, Session
from syncline_sync_worker.cli.safe import safe
from syncline_sync_worker.cli.times import parse_time, show_time

if TYPE_CHECKING:
    from syncline_contracts.audit import AuditRecord
    from syncline_store.engines.protocol import Audit, AuditFilter

EXAMPLES = ("syncline audit list", 'syncline audit list --action "dead-letters discard" --since 7d --json')
PAGE = 200
_PAGES = "reconcile findings"
"""Pages of a report, which `syncline reconcile report` shows."""
_CHECK = "reconcile check"
_SHORT_ID = 12

ByAction = Annotated[str | None, typer.Option("--action", help='Such as "dead-letters replay".', show_default=False)]
OfTenant = Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="What concerned this tenant alone.", show_default=False)]
Since = Annotated[str | None, typer.Option("--since", metavar="WHEN", help="2h (ago), or 2026-03-01T12:00.", show_default=False)]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Before then.", show_default=False)]
OldestFirst = Annotated[bool, typer.Option("--oldest-first", help="In the order that it happened.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]

group = typer.Typer(no_args_is_help=True, help="Who did what: replays, discards, repairs.", epilog=epilog(EXAMPLES))


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="audit")
    command(group, "list", examples=EXAMPLES)(list_records)


async def list_records(
    session: Session,
    *,
    action: ByAction = None,
    tenant: OfTenant = None,
    since: Since = None,
    until: Until = None,
    oldest_first: OldestFirst = False,
    limit: Limit = 50,
) -> int:
    """List what operators did, the newest first. Records are kept for 90 days unless the settings say otherwise."""
    from syncline_store.engines.protocol import AuditFilter  # noqa: PLC0415 - numpy takes longer than --help may

    async with session.open() as app:
        now = app.clock.now()
        where = AuditFilter(
            action=action,
            tenant=tenant,
            since=None if since is None else parse_time("--since", since, now),
            until=None if until is None else parse_time("--until", until, now),
        )
        records = await _first(app.engine.audit, where, limit + 1, newest_first=not oldest_first)
    more = len(records) > limit

    def show(out: Console) -> None:
        rows = table("when", "who", "action", "on", "outcome", "details")
        for record in records[:limit]:
            texts = (record.who, record.action, _on(record), record.outcome, _details(record))
            rows.add_row(show_time(record.at), *map(safe, texts))
        out.print(rows if records else "[dim]nothing is on record[/]")
        if more:
            out.print(f"[yellow]and more: --limit shows more than {limit:,}[/]")

    session.output.result({"records": [_data(record) for record in records[:limit]], "more": more}, show)
    return FINE


async def _first(audit: "Audit", where: "AuditFilter", count: int, *, newest_first: bool) -> "list[AuditRecord]":
    found: list[AuditRecord] = []
    after: str | None = None
    while len(found) < count:
        page = await audit.scan(after, min(count, PAGE), where=where, newest_first=newest_first)
        found += [record for record in page.items if where.action is not None or record.action != _PAGES]
        if (after := page.after) is None:
            break
    return found[:count]


def _on(record: "AuditRecord") -> str:
    if record.ref is None:
        return "" if record.tenant is None else record.tenant
    return f"{record.ref.tenant}: {show_namespace(record.ref.namespace)} {record.ref.key}"


def _details(record: "AuditRecord") -> str:
    """What is not empty; of a check, whose details are all of its report, where that is shown."""
    if record.action == _CHECK:
        return f"syncline reconcile report show {str(record.details.get('report'))[:_SHORT_ID]}"
    return json.dumps({name: value for name, value in record.details.items() if value not in (None, [], {})}, ensure_ascii=False)


def _data(record: "AuditRecord") -> dict[str, Any]:
    data: dict[str, Any] = record.model_dump(mode="json")
    return data | {"id": record.id.hex}
