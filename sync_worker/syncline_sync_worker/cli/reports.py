"""``syncline reconcile report``: what past runs found."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.cli.command import command, epilog
from syncline_sync_worker.cli.drift import show_findings, show_kinds, show_rest
from syncline_sync_worker.cli.output import counted, table
from syncline_sync_worker.cli.place import show_namespace
from syncline_sync_worker.cli.running import FINE, Session
from syncline_sync_worker.cli.safe import safe
from syncline_sync_worker.cli.times import show_time

if TYPE_CHECKING:
    from syncline_contracts.drift import Finding
    from syncline_sync_worker.app import App
    from syncline_sync_worker.reconcile.reports import Kept, Reports

EXAMPLES = ("syncline reconcile report list", "syncline reconcile report show latest", "syncline reconcile report compare latest --json")
SHORT = 12
"""Digits of an id that a table shows; each command takes as many as tell it from others."""

Which = Annotated[str, typer.Argument(metavar="ID", help="The first digits of a report's id, or `latest`.")]
With = Annotated[str | None, typer.Option("--with", metavar="ID", help="The older one.", show_default="the one before it of its scope")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]

group = typer.Typer(no_args_is_help=True, help="What past runs found: new, persisting, resolved.", epilog=epilog(EXAMPLES))


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="report")
    command(group, "list", examples=EXAMPLES[:1])(list_reports)
    command(group, "show", examples=EXAMPLES[1:2])(show)
    command(group, "compare", examples=EXAMPLES[2:])(compare)


async def list_reports(session: Session, *, limit: Limit = 20) -> int:
    """List what past runs came to, the newest first. They are kept as long as audit records are."""
    found: list[Kept] = []
    async with session.open() as app:
        async for kept in _reports(app).newest():
            found.append(kept)
            if len(found) > limit:
                break

    def out(console: Console) -> None:
        several = len({kept.index for kept in found[:limit]}) > 1
        rows = table("report", "when", "verdict", "drift", "documents", *(["index"] if several else []), "who", right=("documents",))
        for kept in found[:limit]:
            drift = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kept.counts["by_kind"].items()))
            rows.add_row(
                kept.id[:SHORT],
                show_time(kept.at),
                kept.verdict,
                drift,
                f"{kept.counts['documents']:,}",
                *([safe(kept.index[1] or "")] if several else []),
                safe(kept.who),
            )
        console.print(rows if found else "[dim]no run has left a report yet[/]")

    session.output.result({"reports": [kept.data for kept in found[:limit]], "more": len(found) > limit}, out)
    return FINE


async def show(session: Session, which: Which = "latest") -> int:
    """Show one report with its findings."""
    async with session.open() as app:
        reports = _reports(app)
        kept = await reports.find(which)
        findings = await reports.findings(kept)

    def out(console: Console) -> None:
        console.print(f"[bold]{kept.id}[/] {show_time(kept.at)}, {counted(kept.counts['documents'], 'document')}: {kept.verdict}")
        model, collection = kept.index
        if collection is not None:
            console.print(f"[dim]the collection {safe(collection)} of the model {safe(model or '')}{safe(_said(kept.scope))}[/]")
        if kept.counts["refused"] is not None:
            console.print(f"[bold red]refused:[/] {safe(kept.counts['refused'])}")
        if findings:
            show_kinds(console, dict(kept.counts["by_kind"]))
            console.print()
            show_findings(console, findings, repairs=True)
        show_rest(console, **{name: int(kept.counts.get(name) or 0) for name in ("unlisted", "unnamed", "young")})

    session.output.result(kept.data | {"findings": _data(findings)}, out)
    return FINE


async def compare(session: Session, which: Which = "latest", *, other: With = None) -> int:
    """Tell what is new in a report, what persists and what was resolved since an older one of the same scope and index."""
    async with session.open() as app:
        reports = _reports(app)
        newer = await reports.find(which)
        older = await reports.before(newer) if other is None else await reports.find(other)
        if older is None:
            raise InvalidInput("ID", f"there is no report of the same scope and index before {newer.id[:SHORT]}")
        difference = await reports.compare(newer, older)
    parts = {"new": difference.new, "persisting": difference.persisting, "resolved": difference.resolved}

    def out(console: Console) -> None:
        console.print(f"[dim]{newer.id[:SHORT]} ({show_time(newer.at)}) against {older.id[:SHORT]} ({show_time(older.at)})[/]")
        for name, findings in parts.items():
            console.print(f"[bold]{name}: {len(findings):,}[/]")
            if findings:
                show_findings(console, findings)

    data: dict[str, Any] = {name: _data(list(findings)) for name, findings in parts.items()}
    session.output.result({"newer": newer.data, "older": older.data} | data, out)
    return FINE


def _said(scope: Mapping[str, Any]) -> str:
    """What of a scope is not everything."""
    said = [f"tenant {scope['tenant']}"] if scope.get("tenant") is not None else []
    said += [f"namespace {show_namespace(tuple(scope['namespace']))}"] if scope.get("namespace") else []
    said += [f"part {scope['part']}/{scope['parts']}"] if scope.get("parts", 1) != 1 else []
    return f" ({', '.join(said)} only)" if said else ""


def _reports(app: "App") -> "Reports":
    from syncline_sync_worker.reconcile.reports import Reports  # noqa: PLC0415 - numpy takes longer than --help may

    return Reports(app.engine.audit)


def _data(findings: "list[Finding]") -> list[dict[str, Any]]:
    return [finding.model_dump(mode="json") for finding in findings]
