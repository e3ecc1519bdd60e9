"""``syncline reindex``: from one embedding model to another without downtime."""

import dataclasses
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.cli.command import command, epilog
from syncline_sync_worker.cli.output import counted, table
from syncline_sync_worker.cli.running import FAILED, FINE, PARTLY, Session
from syncline_sync_worker.cli.times import parse_rate
from syncline_sync_worker.cli.walking import OnlyTenant, Part, scope_of

if TYPE_CHECKING:
    from syncline_contracts.audit import Action
    from syncline_contracts.drift import DriftReport
    from syncline_contracts.errors import Unavailable
    from syncline_store.index.alias import Built
    from syncline_sync_worker.reindex import Alias, Progress
    from syncline_sync_worker.reindex.alias import Refused, Turned

BUILDS = (
    "syncline reindex build --model wordllama:64",
    "syncline reindex build --part 2/8 --rate 500/s",
)
SWITCHES = ("syncline reindex status", "syncline reindex switch", "syncline reindex rollback", "syncline reindex drop MODEL --yes")
TELL_EVERY = 5.0
"""Seconds between two lines that say how far a build is."""

Model = Annotated[
    str | None, typer.Option("--model", metavar="KIND:MODEL", help="The next model; `next.embedder` otherwise.", show_default=False)
]
Rate = Annotated[str | None, typer.Option("--rate", metavar="N/s", help="Index no more than so many: 500/s.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Even where the collection is not known to be in step.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Dropped = Annotated[str, typer.Argument(metavar="MODEL", help="The model, or the collection, as `reindex status` calls it.")]

group = typer.Typer(
    no_args_is_help=True, help="Go over to another embedding model while everything goes on.", epilog=epilog(BUILDS + SWITCHES)
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="reindex")
    command(group, "build", examples=BUILDS, drains=True)(build)
    command(group, "status", examples=SWITCHES[:1])(status)
    command(group, "switch", examples=SWITCHES[1:2])(switch)
    command(group, "rollback", examples=SWITCHES[2:3])(rollback)
    command(group, "drop", examples=SWITCHES[3:])(drop)


async def build(session: Session, *, model: Model = None, tenant: OnlyTenant = None, part: Part = "1/1", rate: Rate = None) -> int:
    """Fill the next model's collection with what it lacks.

    What is there is not embedded again: run it again to resume it, and in as many parts at a time as there is room for. Ctrl-C finishes
    the batch under way. Live writes reach the collection only from processes that have `next` in their settings.

    Exit code: 0 complete, 1 stopped before, or some became dead letters.
    """
    session = _with_next(session, model)
    scope, pace = scope_of(tenant, part), None if rate is None else parse_rate("--rate", rate)
    async with session.open() as app:
        await app.in_step_if_free()
        teller = _Teller(session)
        done = await (await app.build()).run(scope, session.stop, rate=pace, tell=teller.tell, waiting=teller.waiting)
        await app.in_step_if_free()
        _, following = await app.sides()
        data = {
            "model": following.embedder.model,
            "collection": following.index.collection,
            "part": part,
            "complete": done.complete,
            "documents": done.looked_at,
            "indexed": done.handled - done.dead_letters,
            "dead_letters": done.dead_letters,
            "seconds": round(done.seconds, 1),
        }
    session.output.result(data, lambda out: _show_built(out, data, session))
    return FINE if done.complete and not done.dead_letters else PARTLY


async def status(session: Session) -> int:
    """Show each model's collection: its points, whether it is searched, and whether these settings write it.

    What other processes' settings are cannot be seen from here.
    """
    async with session.open() as app:
        found = [asdict(each) | {"setting": app.models.get(each.model or "")} for each in await (await app.index()).collections()]
        data = {"alias": app.configuration.collection, "collections": found}
    session.output.result(data, lambda out: _show_collections(out, found))
    return FINE


async def switch(session: Session, *, model: Model = None, force: Force = False) -> int:
    """Point the alias at the next model's collection, if it is in step.

    The reconciler compares it with the source first. Exit code: 0 it points there, 2 refused.
    """
    from syncline_contracts.audit import Action  # noqa: PLC0415 - longer than --help may take

    session = _with_next(session, model)
    return await _turn(session, Action.SWITCH, lambda alias: alias.switch(force=force), "switched", force=force)


async def rollback(session: Session, *, force: Force = False) -> int:
    """Point the alias back at the collection that served before the switch, if it is in step.

    Exit code: 0 it points there, 2 refused.
    """
    from syncline_contracts.audit import Action  # noqa: PLC0415 - longer than --help may take

    return await _turn(session, Action.ROLLBACK, lambda alias: alias.rollback(force=force), "rolled back", force=force)


async def drop(session: Session, model: Dropped, *, yes: Yes = False) -> int:
    """Delete the collection of a model that is no longer needed.

    Not the one that the alias points to, nor one whose model the settings name.
    """
    from syncline_contracts.audit import Action  # noqa: PLC0415 - longer than --help may take
    from syncline_sync_worker.auditing import DONE, audited  # noqa: PLC0415 - as above

    async with session.open() as app:
        alias = await app.alias(app.configuration.reconcile)
        found = await alias.droppable(model)
        if not yes and not _agreed(session, found):
            return PARTLY
        async with audited(app.engine.audit, Action.DROP) as entry:
            entry.details = {"collection": found.collection, "model": found.model, "points": found.points}
            await alias.drop(found)
            entry.outcome = DONE
        data = {"dropped": found.collection, "model": found.model, "points": found.points}
    session.output.result(data, lambda out: out.print(f"[green]dropped[/] {escape(found.collection)}: {found.points:,} points"))
    return FINE


def _with_next(session: Session, model: str | None) -> Session:
    if model is None:
        return session
    changes = (*session.place.changes, f"next.embedder={model}")
    return dataclasses.replace(session, place=dataclasses.replace(session.place, changes=changes))


async def _turn(
    session: Session, action: "Action", turn: "Callable[[Alias], Awaitable[Turned | Refused]]", done: str, *, force: bool
) -> int:
    from syncline_sync_worker.auditing import DONE, audited  # noqa: PLC0415 - longer than --help may take
    from syncline_sync_worker.reindex.alias import Turned  # noqa: PLC0415 - as above

    async with session.open() as app:
        if not force:
            with session.output.progress("indexing what is pending") as advance:
                await app.in_step(advance, settle=True)
        async with audited(app.engine.audit, action) as entry:
            found = await turn(await app.alias(app.configuration.reconcile))
            if isinstance(found, Turned) and found.before != found.collection:
                entry.details, entry.outcome = {"collection": found.collection, "before": found.before, "force": force}, DONE
    report = None if found.report is None else _differences(found.report)
    if isinstance(found, Turned):
        data = {"switched": found.before != found.collection, "alias": found.collection, "before": found.before, "refused": None}
        session.output.result(data | {"report": report}, lambda out: _show_turned(out, found, done))
        return FINE
    data = {"switched": False, "alias": None, "before": None, "refused": found.why, "report": report}
    session.output.result(data, lambda out: None if found.report is None else _show_report(out, found.report))
    session.output.say(f"[bold red]refused:[/] {escape(found.why)}")
    return FAILED


class _Teller:
    """A line now and then: to a person, and into the log of a job."""

    def __init__(self, session: Session) -> None:
        self._output = session.output
        self._next = time.monotonic() + TELL_EVERY

    def tell(self, progress: "Progress") -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + TELL_EVERY
            self._output.say(
                f"[dim]{progress.looked_at:,} of about {progress.total:,} documents looked at, {progress.handled:,} indexed "
                f"({progress.rate:,.0f}/s){_left(progress.left)}[/]"
            )

    def waiting(self, error: "Unavailable") -> None:
        self._output.say(f"[yellow]waiting:[/] {escape(str(error))}")


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    return f", about {minutes} min left" if minutes else ", less than a minute left"


def _agreed(session: Session, found: "Built") -> bool:
    if not session.output.can_ask:
        raise InvalidInput("--yes", "nobody can be asked here: say --yes")
    return session.output.ask(f"Delete {found.collection} with {found.points:,} points? There is no way back to it then.")


def _show_collections(out: Console, found: "list[dict[str, Any]]") -> None:
    rows = table("model", "points", "searched", "written", "collection", right=("points",))
    for column in rows.columns:
        column.overflow = "fold"
    for each in found:
        written = f"[green]{each['setting']}[/]" if each["setting"] else "[yellow]not with these settings[/]"
        searched = "[green]alias[/]" if each["serves"] else ""
        rows.add_row(escape(each["model"] or "?"), f"{each['points']:,}", searched, written, f"[dim]{escape(each['collection'])}[/]")
    out.print(rows)


def _show_built(out: Console, data: dict[str, Any], session: Session) -> None:
    said = "[green]complete[/]" if data["complete"] else "[yellow]stopped; run it again to go on[/]"
    out.print(f"{said}: {counted(data['documents'], 'document')} looked at, {data['indexed']:,} indexed in {data['seconds']:,} s")
    if data["dead_letters"]:
        out.print(f"[yellow]{counted(data['dead_letters'], 'document')} could not be indexed:[/] syncline dead-letters list")
    if data["complete"]:
        out.print(f"[dim]next: `syncline reindex switch{escape(session.place.option)}`, once every part is complete[/]")


def _differences(report: "DriftReport") -> dict[str, Any]:
    counts = {kind.value: count for kind, count in report.by_kind.items()}
    return {"verdict": report.verdict.value, "by_kind": counts, "unlisted": report.unlisted, "refused": report.refused}


def _show_report(out: Console, report: "DriftReport") -> None:
    for kind, count in sorted(report.by_kind.items()):
        out.print(f"[bold yellow]{kind}[/] {count:,}")
    if report.refused is not None:
        out.print(escape(report.refused))
    out.print("[dim]`syncline reconcile check --model MODEL` lists what differs[/]")


def _show_turned(out: Console, found: "Turned", done: str) -> None:
    if found.before == found.collection:
        out.print(f"[green]nothing to do:[/] the alias points to {escape(found.collection)} already")
        return
    out.print(f"[green]{done}:[/] the alias points to {escape(found.collection)}")
    out.print(
        "[dim]Now let `embedder` name this model, and `next` the other one for as long as a way back is wanted, for every process, and "
        "restart them one after the other: each goes on with its own model's collection until then.[/]"
    )
