"""``syncline dead-letters``: what could not be indexed, and what becomes of it."""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.cli.command import command, epilog
from syncline_sync_worker.cli.output import table
from syncline_sync_worker.cli.place import show_namespace, who_indexes
from syncline_sync_worker.cli.running import FINE, PARTLY, Session

if TYPE_CHECKING:
    from syncline_contracts.dead_letter import DeadLetter
    from syncline_sync_worker.app import App

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Their ids, or their first characters.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Every open letter.")]
Closed = Annotated[bool, typer.Option("--closed", help="Also those that were replayed, resolved or discarded.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]
Note = Annotated[str, typer.Option("--note", help="Why: it is kept with the letter.")]

EXAMPLES = ("syncline dead-letters list", "syncline dead-letters replay --all", 'syncline dead-letters discard 4f1c --note "binary junk"')

group = typer.Typer(no_args_is_help=True, help="What could not be indexed: list, show, replay, discard.", epilog=epilog(EXAMPLES))


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="dead-letters")
    command(group, "list", examples=["syncline dead-letters list", "syncline dead-letters list --closed --json"])(list_letters)
    command(group, "show", examples=["syncline dead-letters show 4f1c"])(show_letter)
    command(group, "replay", examples=["syncline dead-letters replay 4f1c", "syncline dead-letters replay --all"])(replay)
    command(group, "discard", examples=['syncline dead-letters discard 4f1c --note "binary junk"'])(discard)


async def list_letters(session: Session, *, closed: Closed = False, limit: Limit = 100) -> int:
    """List open letters, oldest first."""
    async with session.open() as app:
        letters = [letter async for letter in _letters(app, closed=closed, limit=limit)]

    def show(out: Console) -> None:
        rows = table("id", "document", "error", "tries", "why", right=("tries",))
        for letter in letters:
            state = f" [dim]({letter.closed})[/]" if letter.closed else ""
            rows.add_row(letter.id.hex[:8], _name(letter), letter.error + state, str(letter.attempts), letter.message)
        out.print(rows if letters else "[green]no dead letters[/]")

    session.output.result({"letters": [_data(letter) for letter in letters]}, show)
    return FINE


async def show_letter(session: Session, letter: Annotated[str, typer.Argument(metavar="ID", help="Its id, or first characters.")]) -> int:
    """Show all that is kept of a letter."""
    async with session.open() as app:
        (found,) = await _named(app, [letter], closed=True)
    data = _data(found)

    def show(out: Console) -> None:
        shown = Table.grid("", Column(overflow="fold"), padding=(0, 2))
        for name, value in data.items():
            if value is not None:
                shown.add_row(f"[dim]{name.replace('_at', ' at')}[/]", escape(_readable(name, value)))
        out.print(shown)

    session.output.result(data, show)
    return FINE


async def replay(session: Session, ids: Ids = None, *, every: All = False) -> int:
    """Send letters through again, as ordinary events.

    Exit code 1 when one of them fails again, or is no event.
    """
    async with session.open() as app:
        others = who_indexes(app.configuration)
        letters = await _chosen(app, ids, every=every)
        replayed = await app.desk.replay([letter.id for letter in letters])
        handled = await app.in_step_if_free()
        now = {letter.id: await app.desk.show(letter.id) for letter in letters if letter.id in replayed.events}
    failed = [letter for letter in now.values() if letter is not None and letter.closed is None] if handled else []
    data = {
        "replayed": [letter.hex for letter in replayed.events],
        "failed_again": [letter.id.hex for letter in failed],
        "undecodable": [letter.hex for letter in replayed.undecodable],
        "handled": handled,
    }

    def show(out: Console) -> None:
        out.print(f"{len(replayed.events)} replayed" + ("" if handled else f"; {others} will handle them"))
        if failed:
            out.print(f"[yellow]{len(failed)} could not be indexed this time either[/] [dim](syncline dead-letters list)[/]")
        if replayed.undecodable:
            out.print(f"[yellow]{len(replayed.undecodable)} are no event and cannot be replayed[/] [dim](syncline dead-letters discard)[/]")

    session.output.result(data, show)
    return PARTLY if failed or replayed.undecodable else FINE


async def discard(session: Session, ids: Ids = None, *, every: All = False, note: Note = "discarded on the command line") -> int:
    """Close letters for good. Their documents stay in the source, and out of the index."""
    async with session.open() as app:
        letters = await _chosen(app, ids, every=every)
        closed = await app.desk.discard([letter.id for letter in letters], note)
    session.output.result({"discarded": closed}, lambda out: out.print(f"{closed} discarded"))
    return FINE


async def _chosen(app: "App", ids: list[str] | None, *, every: bool) -> "list[DeadLetter]":
    if bool(ids) == every:
        raise InvalidInput("ID", "name the letters by their ids, or say --all")
    if ids:
        return await _named(app, ids, closed=False)
    return [letter async for letter in _letters(app, closed=False, limit=None)]


async def _named(app: "App", ids: list[str], *, closed: bool) -> "list[DeadLetter]":
    """Find each letter by its id's beginning: who lists them reads short ids."""
    wanted = [text.replace("-", "").lower() for text in ids]
    found: dict[str, DeadLetter] = {}
    async for letter in _letters(app, closed=closed, limit=None):
        for text in wanted:
            if text and letter.id.hex.startswith(text) and found.setdefault(text, letter) is not letter:
                raise InvalidInput("ID", f"{text!r} begins more than one letter's id: give more characters")
    missing = [text for text in wanted if text not in found]
    if missing:
        raise InvalidInput("ID", f"there is no {'' if closed else 'open '}letter {missing[0]!r}: syncline dead-letters list shows them")
    return list(found.values())


async def _letters(app: "App", *, closed: bool, limit: int | None) -> "AsyncIterator[DeadLetter]":
    after: str | None = None
    left = limit
    while left is None or left > 0:
        page = await app.engine.dead_letters.scan(after, 500 if left is None else min(left, 500), closed=closed)
        for letter in page.items:
            yield letter
        left = None if left is None else left - len(page.items)
        after = page.after
        if after is None:
            return


def _readable(name: str, value: Any) -> str:
    if name.endswith("_at"):
        return f"{datetime.fromtimestamp(value / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _name(letter: "DeadLetter") -> str:
    return "(undecodable)" if letter.ref is None else f"{show_namespace(letter.ref.namespace)} {letter.ref.key}"


def _data(letter: "DeadLetter") -> dict[str, Any]:
    data: dict[str, Any] = letter.model_dump(mode="json", exclude={"payload"})
    data["payload"] = letter.payload.decode(errors="backslashreplace")
    data["id"] = uuid.UUID(data["id"]).hex
    return data
