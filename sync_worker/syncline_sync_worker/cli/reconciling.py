"""``syncline reconcile``: hold both sides against each other, and repair what drifted."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.cli.command import command, epilog
from syncline_sync_worker.cli.output import table
from syncline_sync_worker.cli.place import show_namespace
from syncline_sync_worker.cli.running import FAILED, FINE, PARTLY, Session

if TYPE_CHECKING:
    from syncline_contracts.drift import DriftReport
    from syncline_sync_worker.app import App
    from syncline_sync_worker.reconcile.progress import Progress
    from syncline_sync_worker.reconcile.reconciler import Reconciler
    from syncline_sync_worker.reconcile.scope import Scope
    from syncline_sync_worker.reconcile.settings import ReconcileSettings

CHECKS = ("syncline reconcile check", "syncline reconcile check --sample 0.05 --json", "syncline reconcile check --part 2/8")
REPAIRS = ("syncline reconcile repair", "syncline reconcile repair --apply", "syncline reconcile repair --apply --yes --max-share 1")
_LISTED = 20
"""Findings that the table names; --json has all of them."""

OnlyTenant = Annotated[str | None, typer.Option("--tenant", help="Only this tenant's documents; all otherwise.", show_default=False)]
Part = Annotated[str, typer.Option("--part", metavar="I/N", help="Only the i-th of n parts, to share the work.")]
OfModel = Annotated[
    str | None, typer.Option("--model", help="The collection of this model: the one in use, or `next`.", show_default="in use")
]
Sampled = Annotated[
    float, typer.Option("--sample", min=0.0, max=1.0, help="The share of documents whose vectors are computed again and compared.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Write the repairs. Without it, only say what would be repaired.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
MaxRepairs = Annotated[int | None, typer.Option("--max-repairs", min=1, help="At most so many in one run.", show_default="1000")]
MaxShare = Annotated[
    float | None,
    typer.Option("--max-share", min=0.0, max=1.0, help="Refuse where a larger share of the documents differs.", show_default="0.2"),
]
Settle = Annotated[
    float | None, typer.Option("--settle", min=0.0, help="Leave alone what is younger than so many seconds.", show_default="5")
]
Delay = Annotated[
    float | None, typer.Option("--delay", min=0.0, help="Seconds before each further look at a difference.", show_default="2")
]

group = typer.Typer(no_args_is_help=True, help="Compare index and source, id by id; repair what drifted.", epilog=epilog(CHECKS + REPAIRS))


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="reconcile")
    command(group, "check", examples=CHECKS)(check)
    command(group, "repair", examples=REPAIRS)(repair)


async def check(
    session: Session,
    *,
    tenant: OnlyTenant = None,
    part: Part = "1/1",
    model: OfModel = None,
    sample: Sampled = 0.0,
    settle: Settle = None,
    delay: Delay = None,
) -> int:
    """Find what is missing, stale, orphaned, incomplete or corrupt.

    Exit code: 0 in step, 1 drift, 2 could not tell.

    Differences that may still be in flight are left alone; the others are looked at twice more before they are reported.
    """
    async with session.open() as app:
        reconciler = await app.reconciler(_settings(app, settle=settle, delay=delay), model)
        report = await _check(session, app, reconciler, scope_of(tenant, part), sample)
    session.output.result(_data(report), lambda out: _show(out, report))
    return report.verdict.exit_code


async def repair(
    session: Session,
    *,
    apply: Apply = False,
    yes: Yes = False,
    tenant: OnlyTenant = None,
    part: Part = "1/1",
    model: OfModel = None,
    sample: Sampled = 0.0,
    settle: Settle = None,
    delay: Delay = None,
    max_repairs: MaxRepairs = None,
    max_share: MaxShare = None,
) -> int:
    """Repair what a check finds; a dry run unless --apply.

    Repairs go the normal way: an outbox event for each document, within the caps. Exit code: 0 nothing is left to repair, 1 drift is
    left, 2 could not tell or refused.
    """
    async with session.open() as app:
        settings = _settings(app, settle=settle, delay=delay, max_repairs=max_repairs, max_share=max_share)
        reconciler = await app.reconciler(settings, model)
        report = await _check(session, app, reconciler, scope_of(tenant, part), sample)
        if not apply or not report.findings:
            session.output.result(_data(report) | {"applied": False}, lambda out: _show(out, report, dry=True))
            return report.verdict.exit_code
        if not yes and not _agreed(session, report):
            return PARTLY
        outcome = await reconciler.repair(report)
        await app.in_step_if_free()
    session.output.result(_data(outcome) | {"applied": True}, lambda out: _show(out, outcome, listed=yes))
    if outcome.refused is not None:
        return FAILED
    return FINE if outcome.repaired == len(outcome.findings) and not outcome.unlisted else PARTLY


async def _check(session: Session, app: "App", reconciler: "Reconciler", scope: "Scope", sample: float) -> "DriftReport":
    """What is merely unprocessed is no drift: it is brought in step first."""
    with session.output.progress("indexing what is pending") as advance:
        await app.in_step(advance, settle=True)
    with session.output.progress("comparing") as advance:
        return await reconciler.check(scope, sample=sample, progress=_teller(advance))


def _teller(advance: Callable[[int], None]) -> "Callable[[Progress], None]":
    told = 0

    def tell(progress: "Progress") -> None:
        nonlocal told
        advance(progress.documents - told)
        told = progress.documents

    return tell


def scope_of(tenant: str | None, part: str) -> "Scope":
    """What ``--tenant`` and ``--part`` say. Raises InvalidInput."""
    from syncline_sync_worker.reconcile.scope import Scope  # noqa: PLC0415 - pulls in nothing heavy itself, its package does

    which, slash, of = part.partition("/")
    if not slash or not which.isdigit() or not of.isdigit():
        raise InvalidInput("--part", f"{part!r} is not I/N, such as 2/8")
    return Scope(tenant, int(which), int(of))


def _settings(app: "App", **given: float | None) -> "ReconcileSettings":
    """The configured ones, and what the options say."""
    return app.configuration.reconcile.model_copy(update={name: value for name, value in given.items() if value is not None})


def _agreed(session: Session, report: "DriftReport") -> bool:
    _show(session.output.err, report)
    if not session.output.can_ask:
        raise InvalidInput("--apply", "nobody can be asked here: say --yes as well")
    return session.output.ask(f"Repair {len(report.findings):,} documents?")


def _show(out: Console, report: "DriftReport", *, dry: bool = False, listed: bool = True) -> None:
    out.print(f"[dim]{report.documents:,} documents against {report.points:,} points in {report.seconds:.1f} s[/]")
    if report.findings and listed:
        _show_findings(out, report)
    if report.unlisted:
        out.print(f"[yellow]and {report.unlisted:,} more differences that were not looked at again[/]")
    if report.unnamed:
        out.print(
            f"[yellow]{report.unnamed:,} documents in the index do not say whose they are: no repair reaches them, delete their points[/]"
        )
    if report.young:
        out.print(f"[dim]{report.young:,} differences may still be in flight and were left alone[/]")
    if report.refused is not None:
        out.print(f"[bold red]refused:[/] {escape(report.refused)}")
    elif report.repaired:
        out.print(f"[green]{report.repaired:,} repaired[/]")
    elif not report.findings and not report.unnamed:
        out.print("[green]in step[/]")
    elif dry:
        out.print("[dim]nothing was changed: `syncline reconcile repair --apply` repairs it[/]")


def _show_findings(out: Console, report: "DriftReport") -> None:
    kinds = table("drift", "documents", right=("documents",))
    for kind, count in sorted(report.by_kind.items()):
        kinds.add_row(f"[bold yellow]{kind}[/]", f"{count:,}")
    out.print(kinds)
    found = table("kind", "document", "what")
    for finding in report.findings[:_LISTED]:
        found.add_row(finding.kind, f"{escape(show_namespace(finding.namespace))} [cyan]{escape(finding.key)}[/]", escape(finding.detail))
    out.print()
    out.print(found)
    if len(report.findings) > _LISTED:
        out.print(f"[dim]and {len(report.findings) - _LISTED:,} more: --json lists all of them[/]")


def _data(report: "DriftReport") -> dict[str, Any]:
    data: dict[str, Any] = report.model_dump(mode="json")
    return data | {"verdict": report.verdict.value, "by_kind": {kind.value: count for kind, count in report.by_kind.items()}}
