"""``syncline dead-letters replay`` and ``discard``: letters sent through again, or closed for good."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.cli.command import command
from syncline_sync_worker.cli.letters import (
    All,
    Below,
    Ids,
    OfTenant,
    OlderThan,
    Reason,
    Since,
    Until,
    chosen,
    letter_filter,
    show_counts,
)
from syncline_sync_worker.cli.output import counted
from syncline_sync_worker.cli.place import who_indexes
from syncline_sync_worker.cli.running import CUT_SHORT, FINE, PARTLY, Session
from syncline_sync_worker.cli.times import parse_rate

if TYPE_CHECKING:
    from uuid import UUID

    from syncline_sync_worker.dead_letters.choosing import Ids as Counted
    from syncline_sync_worker.dead_letters.choosing import LetterFilter
    from syncline_sync_worker.dead_letters.replay import DeadLetterDesk, Replayed

Rate = Annotated[str | None, typer.Option("--rate", metavar="N/s", help="No more than so many: 50/s, 30/m.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many would be replayed.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who does it, for the audit; user@host otherwise.", show_default=False)
]
Note = Annotated[str | None, typer.Option("--note", help="Why: kept with the letter. Needed for more than one.", show_default=False)]

REPLAYS = (
    "syncline dead-letters replay 4f1c",
    "syncline dead-letters replay --reason DocumentRefused --tenant acme --dry-run",
    "syncline dead-letters replay --all --rate 50/s --yes",
)
DISCARDS = (
    'syncline dead-letters discard 4f1c --note "binary junk"',
    'syncline dead-letters discard --reason UndecodableEvent --older-than 30d --note "of the old producer"',
)


def register(group: typer.Typer) -> None:
    """Add the commands."""
    command(group, "replay", examples=REPLAYS, drains=True)(replay)
    command(group, "discard", examples=DISCARDS, drains=True)(discard)


async def replay(
    session: Session,
    ids: Ids = None,
    *,
    every: All = False,
    reason: Reason = None,
    tenant: OfTenant = None,
    namespace: Below = None,
    since: Since = None,
    until: Until = None,
    older_than: OlderThan = None,
    rate: Rate = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    by: By = None,
) -> int:
    """Send letters through again, as ordinary events: the documents are read anew.

    A letter is closed once its document is indexed, and stays open when it fails again. Ctrl-C finishes what is under way.

    Exit code 1 when one of them fails again, or is no event.
    """
    _expect_consent(session, yes=yes or dry_run)
    pace = None if rate is None else parse_rate("--rate", rate)
    async with session.open() as app:
        desk, began = app.desk(by), app.clock.now()
        found = letter_filter(began, reason=reason, tenant=tenant, namespace=namespace, since=since, until=until, older_than=older_than)
        which = await chosen(desk, ids, found, every=every)
        if dry_run:
            _report_replay(session, await desk.would_replay(which), others=None, dry_run=True)
            return FINE
        if not yes and not await _agreed(session, desk, which, "Replay"):
            return PARTLY
        from syncline_sync_worker.dead_letters.pace import Pace  # noqa: PLC0415 - as the desk

        with session.output.progress("replaying", unit="letters") as advance:
            replayed = await desk.replay(which, pace=Pace(pace), stop=session.stop, advance=advance)
        with session.output.progress("indexing") as advance:
            handled = await app.in_step_if_free(advance)
        again = await desk.failed_since(which, began) if handled else None
        others = None if handled else who_indexes(app.configuration)
    _report_replay(session, replayed, again=again, others=others)
    if replayed.stopped:
        return CUT_SHORT
    return PARTLY if (again is not None and again.count) or replayed.undecodable.count else FINE


async def discard(
    session: Session,
    ids: Ids = None,
    *,
    every: All = False,
    reason: Reason = None,
    tenant: OfTenant = None,
    namespace: Below = None,
    since: Since = None,
    until: Until = None,
    older_than: OlderThan = None,
    note: Note = None,
    yes: Yes = False,
    by: By = None,
) -> int:
    """Close letters for good. Their documents stay in the source, and out of the index.

    A later version of such a document is indexed like any other.
    """
    _expect_consent(session, yes=yes)
    async with session.open() as app:
        desk = app.desk(by)
        found = letter_filter(
            app.clock.now(), reason=reason, tenant=tenant, namespace=namespace, since=since, until=until, older_than=older_than
        )
        which = await chosen(desk, ids, found, every=every)
        if not note and (not isinstance(which, list) or len(which) > 1):
            raise InvalidInput("--note", "say why these letters are discarded: it is kept with each of them")
        if not yes and not await _agreed(session, desk, which, "Discard"):
            return PARTLY
        with session.output.progress("discarding", unit="letters") as advance:
            closed = await desk.discard(which, note, stop=session.stop, advance=advance)
    stopped = session.stop.is_set()
    session.output.result({"discarded": closed, "stopped": stopped}, lambda out: out.print(f"{counted(closed, 'letter')} discarded"))
    return CUT_SHORT if stopped else FINE


def _expect_consent(session: Session, *, yes: bool) -> None:
    if not yes and not session.output.can_ask:
        raise InvalidInput(
            "--yes", "nobody can be asked here: say --yes as well (`dead-letters list` takes the same filters, and shows which)"
        )


async def _agreed(session: Session, desk: "DeadLetterDesk", which: "list[UUID] | LetterFilter", what: str) -> bool:
    if isinstance(which, list):
        count = len(which)
    else:
        counts = await desk.summary(which)
        show_counts(session.output.err, counts)
        count = counts.count
    return not count or session.output.ask(f"{what} {counted(count, 'letter')}?")


def _report_replay(
    session: Session, replayed: "Replayed", *, again: "Counted | None" = None, others: str | None, dry_run: bool = False
) -> None:
    kinds = {"replayed": replayed.events, "failed_again": again, "undecodable": replayed.undecodable}
    data: dict[str, Any] = {name: None if ids is None else ids.count for name, ids in kinds.items()}
    data["first_ids"] = {name: [] if ids is None else [letter.hex for letter in ids.first] for name, ids in kinds.items()}
    data |= {"handled": again is not None, "stopped": replayed.stopped, "dry_run": dry_run}

    def show(out: Console) -> None:
        said = "would be replayed; nothing was changed" if dry_run else "replayed"
        out.print(f"{counted(replayed.events.count, 'letter')} {said}" + (f"; {others} will handle them" if others is not None else ""))
        if again is not None and again.count:
            out.print(f"[yellow]{again.count:,} could not be indexed this time either[/] [dim](syncline dead-letters list)[/]")
        if replayed.undecodable.count:
            out.print(
                f"[yellow]{replayed.undecodable.count:,} are no event and cannot be replayed[/] [dim](syncline dead-letters discard)[/]"
            )

    session.output.result(data, show)
