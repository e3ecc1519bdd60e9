"""``syncline dead-letters``: what could not be indexed, and what becomes of it."""

import base64
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.cli.command import command, epilog
from syncline_sync_worker.cli.letters import All, Below, Ids, OfTenant, OlderThan, Reason, Since, Until, chosen, letter_filter, named
from syncline_sync_worker.cli.output import counted, table
from syncline_sync_worker.cli.place import show_namespace, who_indexes
from syncline_sync_worker.cli.running import CUT_SHORT, FINE, PARTLY, Session
from syncline_sync_worker.cli.safe import safe
from syncline_sync_worker.cli.times import parse_rate, show_age, show_time

if TYPE_CHECKING:
    from uuid import UUID

    from syncline_contracts.dead_letter import DeadLetter
    from syncline_sync_worker.dead_letters.choosing import Ids as Counted
    from syncline_sync_worker.dead_letters.choosing import LetterFilter, Summary
    from syncline_sync_worker.dead_letters.replay import DeadLetterDesk, Replayed

Closed = Annotated[bool, typer.Option("--closed", help="Also those that were replayed, resolved or discarded.")]
Summarised = Annotated[bool, typer.Option("--summary", help="Only how many there are of each error.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]
Rate = Annotated[str | None, typer.Option("--rate", metavar="N/s", help="No more than so many: 50/s, 30/m.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many would be replayed.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who does it, for the audit; user@host otherwise.", show_default=False)
]
Note = Annotated[str | None, typer.Option("--note", help="Why: kept with the letter. Needed for more than one.", show_default=False)]

LISTS = (
    "syncline dead-letters list",
    "syncline dead-letters list --summary",
    "syncline dead-letters list --reason DocumentRefused --since 2h --json",
)
REPLAYS = (
    "syncline dead-letters replay 4f1c",
    "syncline dead-letters replay --reason DocumentRefused --tenant acme --dry-run",
    "syncline dead-letters replay --all --rate 50/s --yes",
)
DISCARDS = (
    'syncline dead-letters discard 4f1c --note "binary junk"',
    'syncline dead-letters discard --reason UndecodableEvent --older-than 30d --note "of the old producer"',
)

group = typer.Typer(
    no_args_is_help=True,
    help="What could not be indexed: list, show, replay, discard.",
    epilog=epilog((LISTS[0], REPLAYS[2], DISCARDS[0])),
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="dead-letters")
    command(group, "list", examples=LISTS)(list_letters)
    command(group, "show", examples=["syncline dead-letters show 4f1c"])(show_letter)
    command(group, "replay", examples=REPLAYS, drains=True)(replay)
    command(group, "discard", examples=DISCARDS, drains=True)(discard)


# ------------------------------------------------------------------ looking


async def list_letters(
    session: Session,
    *,
    reason: Reason = None,
    tenant: OfTenant = None,
    namespace: Below = None,
    since: Since = None,
    until: Until = None,
    older_than: OlderThan = None,
    closed: Closed = False,
    summary: Summarised = False,
    limit: Limit = 100,
) -> int:
    """List open letters, oldest first."""
    async with session.open() as app:
        now, desk = app.clock.now(), app.desk()
        which = letter_filter(now, reason=reason, tenant=tenant, namespace=namespace, since=since, until=until, older_than=older_than)
        oldest = await desk.oldest()
        counts = await desk.summary(which, closed=closed) if summary else None
        letters: list[DeadLetter] = []
        if not summary:
            async for letter in desk.letters(which, closed=closed):
                letters.append(letter.model_copy(update={"payload": b"", "headers": {}}))  # not shown, and may be large
                if len(letters) > limit:
                    break
    data = {
        "letters": [_data(letter) for letter in letters[:limit]],
        "more": len(letters) > limit,
        "summary": None if counts is None else _counts(counts, now),
        "oldest": None if oldest is None else (now - oldest) / 1e6,
    }

    def show(out: Console) -> None:
        if counts is not None:
            _show_counts(out, counts)
        else:
            _show_letters(out, letters[:limit], now)
        if len(letters) > limit:
            out.print(f"[yellow]and more: --limit shows more than {limit:,}, --summary counts them[/]")
        if oldest is not None:
            out.print(f"[dim]the oldest open one is from {show_age(now - oldest)} ago[/]")

    session.output.result(data, show)
    return FINE


async def show_letter(session: Session, letter: Annotated[str, typer.Argument(metavar="ID", help="Its id, or first characters.")]) -> int:
    """Show all that is kept of a letter, with the reasons of its last failures."""
    async with session.open() as app:
        desk = app.desk()
        (found,) = await named(desk, [letter], closed=True)
        reasons = await desk.reasons(found.id)
    data = _data(found) | {
        "headers": found.headers,
        "payload": found.payload.decode(errors="backslashreplace"),
        "payload_base64": base64.b64encode(found.payload).decode(),
        "reasons": [reason.model_dump() for reason in reasons],
    }

    def show(out: Console) -> None:
        shown = Table.grid("", Column(overflow="fold"), padding=(0, 2))
        for name, value in data.items():
            if value is not None and name not in ("payload_base64", "reasons"):
                shown.add_row(f"[dim]{name.replace('_at', ' at')}[/]", safe(_readable(name, value)))
        out.print(shown)
        failures = table("failed", "tries", "error", "why", right=("tries",), title="its last failures")
        for reason in reasons:
            failures.add_row(show_time(reason.at), str(reason.attempts), safe(reason.error), safe(reason.message))
        out.print(failures)

    session.output.result(data, show)
    return FINE


# ------------------------------------------------------------------ acting


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
        _show_counts(session.output.err, counts)
        count = counts.count
    return not count or session.output.ask(f"{what} {counted(count, 'letter')}?")


# ------------------------------------------------------------------ saying


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


def _show_letters(out: Console, letters: "list[DeadLetter]", now: int) -> None:
    rows = table("id", "document", "error", "tries", "since", "why", right=("tries", "since"))
    for letter in letters:
        state = f" [dim]({letter.closed})[/]" if letter.closed else ""
        rows.add_row(
            letter.id.hex[:8],
            safe(_name(letter)),
            safe(letter.error) + state,
            str(letter.attempts),
            show_age(now - letter.first_at),
            safe(letter.message),
        )
    out.print(rows if letters else "[green]no dead letters[/]")


def _show_counts(out: Console, counts: "Summary") -> None:
    rows = table("error", "letters", right=("letters",))
    for error, count in sorted(counts.by_error.items(), key=lambda each: -each[1]):
        rows.add_row(safe(error), f"{count:,}")
    out.print(rows if counts.count else "[green]no dead letters[/]")


def _counts(counts: "Summary", now: int) -> dict[str, Any]:
    return {
        "count": counts.count,
        "by_error": counts.by_error,
        "oldest": None if counts.oldest is None else (now - counts.oldest) / 1e6,
    }


def _readable(name: str, value: Any) -> str:
    if name.endswith("_at"):
        return show_time(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _name(letter: "DeadLetter") -> str:
    return "(undecodable)" if letter.ref is None else f"{show_namespace(letter.ref.namespace)} {letter.ref.key}"


def _data(letter: "DeadLetter") -> dict[str, Any]:
    """Without its bytes and headers, which `show` gives."""
    data: dict[str, Any] = letter.model_dump(mode="json", exclude={"payload", "headers"})
    return data | {"id": letter.id.hex}
