"""``syncline dead-letters``: what could not be indexed. What becomes of it: `replaying`."""

import base64
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from syncline_sync_worker.cli import replaying
from syncline_sync_worker.cli.command import command, epilog
from syncline_sync_worker.cli.letters import Below, OfTenant, OlderThan, Reason, Since, Until, letter_filter, named, show_counts
from syncline_sync_worker.cli.output import table
from syncline_sync_worker.cli.place import show_namespace
from syncline_sync_worker.cli.running import FINE, Session
from syncline_sync_worker.cli.safe import safe
from syncline_sync_worker.cli.times import show_age, show_time

if TYPE_CHECKING:
    from syncline_contracts.dead_letter import DeadLetter
    from syncline_sync_worker.dead_letters.choosing import Summary

Closed = Annotated[bool, typer.Option("--closed", help="Also those that were replayed, resolved or discarded.")]
Summarised = Annotated[bool, typer.Option("--summary", help="Only how many there are of each error.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]
LISTS = (
    "syncline dead-letters list",
    "syncline dead-letters list --summary",
    "syncline dead-letters list --reason DocumentRefused --since 2h --json",
)
group = typer.Typer(
    no_args_is_help=True,
    help="What could not be indexed: list, show, replay, discard.",
    epilog=epilog((LISTS[0], replaying.REPLAYS[2], replaying.DISCARDS[0])),
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="dead-letters")
    command(group, "list", examples=LISTS)(list_letters)
    command(group, "show", examples=["syncline dead-letters show 4f1c"])(show_letter)
    replaying.register(group)


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
            show_counts(out, counts)
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
