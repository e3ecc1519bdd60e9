"""``syncline reconcile``: hold both sides against each other, and repair what drifted."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from syncline_contracts.errors import InvalidInput, StorageUnavailable
from syncline_sync_worker.cli import reports
from syncline_sync_worker.cli.command import command, epilog
from syncline_sync_worker.cli.drift import data_of, show_compared, show_findings, show_report, show_rest
from syncline_sync_worker.cli.output import counted
from syncline_sync_worker.cli.relaying import run_process
from syncline_sync_worker.cli.running import FAILED, FINE, PARTLY, Session
from syncline_sync_worker.cli.safe import safe
from syncline_sync_worker.cli.walking import (
    Course,
    Lines,
    OnlyNamespace,
    OnlyTenant,
    Part,
    Rate,
    Resume,
    Sampled,
    Segments,
    Since,
    Until,
    scope_of,
    walked,
)

if TYPE_CHECKING:
    from syncline_contracts.drift import DriftReport
    from syncline_sync_worker.app import App
    from syncline_sync_worker.reconcile.reconciler import Reconciler
    from syncline_sync_worker.reconcile.settings import ReconcileSettings

CHECKS = (
    "syncline reconcile check",
    "syncline reconcile check --sample 0.05 --json",
    "syncline reconcile check --part 2/8 --rate 2000/s --resume walk.json",
)
_CHECKED = "`syncline reconcile plan` says what a repair would do"
_DRY = "nothing was changed: `syncline reconcile repair --apply` repairs it"
PLANS = ("syncline reconcile plan", "syncline reconcile plan --max-share 1 --lines findings.jsonl")
REPAIRS = ("syncline reconcile repair", "syncline reconcile repair --apply", "syncline reconcile repair --apply --yes --max-share 1")
WATCHES = ("syncline reconcile watch --config syncline.yaml", "syncline reconcile watch --part 1/4 --set watch.interval=60")

OfModel = Annotated[
    str | None, typer.Option("--model", help="The collection of this model: the one in use, or `next`.", show_default="in use")
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
    command(group, "plan", examples=PLANS)(plan)
    command(group, "repair", examples=REPAIRS)(repair)
    command(group, "watch", examples=WATCHES, drains=True)(watch)
    command(group, "adopt", examples=["syncline reconcile adopt --yes"])(adopt)
    reports.register(group)


async def check(
    session: Session,
    *,
    tenant: OnlyTenant = None,
    namespace: OnlyNamespace = "",
    part: Part = "1/1",
    segments: Segments = None,
    since: Since = None,
    until: Until = None,
    model: OfModel = None,
    sample: Sampled = 0.0,
    rate: Rate = None,
    resume: Resume = None,
    lines: Lines = None,
    settle: Settle = None,
    delay: Delay = None,
) -> int:
    """Find what is missing, stale, orphaned, incomplete or corrupt.

    Exit code: 0 in step, 1 drift, 2 could not tell. The run leaves a report: `syncline reconcile report`.

    Differences that may still be in flight are left alone; the others are looked at twice more before they are reported.
    """
    scope = scope_of(tenant, part, namespace=namespace, segments=segments, since=since, until=until)
    async with session.open() as app:
        reconciler = await app.reconciler(_settings(app, settle=settle, delay=delay), model)
        report = await _checked(session, app, reconciler, Course(scope, sample, rate, resume, lines))
    session.output.result(data_of(report), lambda out: show_report(out, report, then=_CHECKED))
    return report.verdict.exit_code


async def plan(
    session: Session,
    *,
    tenant: OnlyTenant = None,
    namespace: OnlyNamespace = "",
    part: Part = "1/1",
    segments: Segments = None,
    since: Since = None,
    until: Until = None,
    model: OfModel = None,
    sample: Sampled = 0.0,
    rate: Rate = None,
    resume: Resume = None,
    lines: Lines = None,
    settle: Settle = None,
    delay: Delay = None,
    max_repairs: MaxRepairs = None,
    max_share: MaxShare = None,
) -> int:
    """Say what a repair would do, document by document, within the caps; nothing is changed.

    Exit code: 0 nothing to repair, 1 there is, 2 could not tell, or a repair would be refused.
    """
    from syncline_sync_worker.reconcile.safety import Allowed  # noqa: PLC0415 - its package takes longer than --help may

    scope = scope_of(tenant, part, namespace=namespace, segments=segments, since=since, until=until)
    async with session.open() as app:
        reconciler = await app.reconciler(_settings(app, settle=settle, delay=delay), model)
        report = await _checked(session, app, reconciler, Course(scope, sample, rate, resume, lines))
    planned = reconciler.plan(report, max_repairs=max_repairs, max_share=max_share)
    repairs = list(planned.findings) if isinstance(planned, Allowed) else []
    refused = None if isinstance(planned, Allowed) else planned.why
    left = len(report.findings) + report.unlisted - len(repairs)

    def show(out: Console) -> None:
        show_compared(out, report)
        if refused is not None:
            out.print(f"[bold red]refused:[/] {safe(refused)}")
        if repairs:
            show_findings(out, repairs, repairs=True)
        show_rest(out, unlisted=0, unnamed=report.unnamed, young=report.young)  # `left` counts what is not listed
        out.print(f"{len(repairs):,} would be repaired" + (f", {left:,} left" if left else ""))

    data = {"repairs": [finding.model_dump(mode="json") for finding in repairs], "left": left, "refused": refused}
    session.output.result({"verdict": report.verdict.value, "documents": report.documents} | data, show)
    return FAILED if refused is not None else report.verdict.exit_code


async def repair(
    session: Session,
    *,
    apply: Apply = False,
    yes: Yes = False,
    tenant: OnlyTenant = None,
    namespace: OnlyNamespace = "",
    part: Part = "1/1",
    segments: Segments = None,
    since: Since = None,
    until: Until = None,
    model: OfModel = None,
    sample: Sampled = 0.0,
    rate: Rate = None,
    resume: Resume = None,
    lines: Lines = None,
    settle: Settle = None,
    delay: Delay = None,
    max_repairs: MaxRepairs = None,
    max_share: MaxShare = None,
) -> int:
    """Repair what a check finds; a dry run unless --apply.

    Repairs go the normal way: an outbox event for each document, within the caps. Exit code: 0 nothing is left to repair, 1 drift is
    left, 2 could not tell or refused.
    """
    from syncline_sync_worker.reconcile.watch import audited_repair  # noqa: PLC0415 - as above

    scope = scope_of(tenant, part, namespace=namespace, segments=segments, since=since, until=until)
    async with session.open() as app:
        settings = _settings(app, settle=settle, delay=delay, max_repairs=max_repairs, max_share=max_share)
        reconciler = await app.reconciler(settings, model)
        report = await _checked(session, app, reconciler, Course(scope, sample, rate, resume, lines))
        if not apply or not report.findings:
            session.output.result(data_of(report) | {"applied": False}, lambda out: show_report(out, report, then=_DRY))
            return report.verdict.exit_code
        if not yes and not _agreed(session, report):
            return PARTLY
        outcome = await audited_repair(reconciler, report, app.engine.audit)
        await app.in_step_if_free()
    session.output.result(data_of(outcome) | {"applied": True}, lambda out: show_report(out, outcome, listed=yes))
    if outcome.refused is not None:
        return FAILED
    return FINE if outcome.repaired == len(outcome.findings) and not outcome.unlisted and not outcome.unnamed else PARTLY


async def watch(
    session: Session, *, tenant: OnlyTenant = None, namespace: OnlyNamespace = "", part: Part = "1/1", segments: Segments = None
) -> int:
    """Check again and again until SIGTERM or Ctrl-C: measure, report, tell of drift.

    How often, how fast, and whether it repairs within the caps stands in `watch`, who is told in `alerts`. Answers /health/live,
    /health/ready and /metrics at http.host and http.port. For an index on a server.
    """
    from syncline_sync_worker.processes.watch import run_watch  # noqa: PLC0415 - as above

    scope = scope_of(tenant, part, namespace=namespace, segments=segments)
    return await run_process(session, lambda configuration, stop: run_watch(configuration, scope, stop))


async def adopt(session: Session, *, yes: Yes = False) -> int:
    """Take the index for this store's from now on, whatever store its stamp names.

    After a restore into another keyspace, say. What it holds beyond this store's documents is drift from then on.
    """
    async with session.open() as app:
        index = await app.index()
        mine, theirs = await app.engine.identity(), await index.source()
        if theirs != mine:
            if not yes and not session.output.can_ask:
                raise InvalidInput("adopt", "nobody can be asked here: say --yes as well")
            if not yes and not session.output.ask(f"Take the index of the store {theirs or '(no stamp)'} for this one's?"):
                return PARTLY
            await index.adopt(mine)
    data = {"store": mine, "before": theirs}
    session.output.result(data, lambda out: out.print(f"[green]adopted[/]: the index is that of the store {mine}"))
    return FINE


async def _checked(session: Session, app: "App", reconciler: "Reconciler", course: Course) -> "DriftReport":
    """What is merely unprocessed is no drift: it is brought in step first. The report is kept, if the storage takes it."""
    from syncline_sync_worker.reconcile.reports import Reports  # noqa: PLC0415 - as above

    with session.output.progress("indexing what is pending") as advance:
        await app.in_step(advance, settle=True)
    report = await walked(session.output, reconciler, course)
    try:
        await Reports(app.engine.audit).keep(report, course.scope, at=app.clock.now())
    except StorageUnavailable as error:
        session.output.say(f"[yellow]the report could not be kept:[/] {safe(str(error))}")
    return report


def _settings(app: "App", **given: float | None) -> "ReconcileSettings":
    """The configured ones, and what the options say."""
    return app.configuration.reconcile.model_copy(update={name: value for name, value in given.items() if value is not None})


def _agreed(session: Session, report: "DriftReport") -> bool:
    show_report(session.output.err, report)
    if not session.output.can_ask:
        raise InvalidInput("--apply", "nobody can be asked here: say --yes as well")
    return session.output.ask(f"Repair {counted(len(report.findings), 'document')}?")
