"""Which dead letters a command means: the options that say so, what becomes of them, and how many they are."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.cli.output import table
from syncline_sync_worker.cli.place import parse_namespace
from syncline_sync_worker.cli.safe import safe
from syncline_sync_worker.cli.times import parse_duration, parse_time

if TYPE_CHECKING:
    from syncline_contracts.dead_letter import DeadLetter
    from syncline_sync_worker.dead_letters.choosing import LetterFilter, Summary
    from syncline_sync_worker.dead_letters.replay import DeadLetterDesk

_WHICH = "Which letters"


def _option(name: str, metavar: str, said: str) -> object:
    return typer.Option(name, metavar=metavar, help=said, rich_help_panel=_WHICH, show_default=False)


Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Their ids, or their first characters.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Every open letter.", rich_help_panel=_WHICH)]
Reason = Annotated[str | None, _option("--reason", "ERROR", "Those of this error: DocumentRefused, UndecodableEvent.")]
OfTenant = Annotated[str | None, _option("--tenant", "NAME", "Those of this tenant's documents.")]
Below = Annotated[str | None, _option("--namespace", "PREFIX", "Those of documents at and below this namespace.")]
Since = Annotated[str | None, _option("--since", "WHEN", "Those that failed first then or later: 2h (ago), or 2026-03-01T12:00.")]
Until = Annotated[str | None, _option("--until", "WHEN", "Those that failed first before then.")]
OlderThan = Annotated[str | None, _option("--older-than", "DURATION", "Those that failed first so long ago: 7d.")]

_FULL_ID = 32


def letter_filter(
    now: int,
    *,
    reason: str | None,
    tenant: str | None,
    namespace: str | None,
    since: str | None,
    until: str | None,
    older_than: str | None,
) -> "LetterFilter":
    """What the options say. Raises InvalidInput."""
    from syncline_sync_worker.dead_letters.choosing import LetterFilter  # noqa: PLC0415 - pydantic takes longer than --help may

    ends = [] if until is None else [parse_time("--until", until, now)]
    ends += [] if older_than is None else [now - parse_duration("--older-than", older_than)]
    return LetterFilter(
        error=reason,
        tenant=tenant,
        prefix=parse_namespace(namespace or ""),
        since=None if since is None else parse_time("--since", since, now),
        until=min(ends, default=None),
    )


async def chosen(desk: "DeadLetterDesk", ids: list[str] | None, found: "LetterFilter", *, every: bool) -> "list[UUID] | LetterFilter":
    """The letters to act upon, in one of three ways: named, filtered, all. Raises InvalidInput."""
    if bool(ids) + bool(found.said) + every != 1:
        raise InvalidInput("ID", "name the letters by their ids, or by a filter such as --reason or --older-than, or say --all")
    return [letter.id for letter in await named(desk, ids, closed=False)] if ids else found


async def named(desk: "DeadLetterDesk", ids: list[str], *, closed: bool) -> "list[DeadLetter]":
    """Find each letter by its id's beginning: who lists them reads short ids. Raises InvalidInput."""
    wanted = list(dict.fromkeys(text.replace("-", "").lower() for text in ids))
    found: dict[str, DeadLetter] = {}
    for text in wanted:
        if len(text) == _FULL_ID and _is_hex(text) and (letter := await desk.show(UUID(hex=text))) and (closed or letter.closed is None):
            found[text] = letter
    if len(found) < len(wanted):
        await _look_for([text for text in wanted if text and text not in found], desk, found, closed=closed)
    missing = [text for text in wanted if text not in found]
    if missing:
        raise InvalidInput("ID", f"there is no {'' if closed else 'open '}letter {missing[0]!r}: syncline dead-letters list shows them")
    return list(found.values())


async def _look_for(wanted: list[str], desk: "DeadLetterDesk", found: "dict[str, DeadLetter]", *, closed: bool) -> None:
    async for letter in desk.letters(closed=closed):
        for text in wanted:
            if letter.id.hex.startswith(text) and found.setdefault(text, letter).id != letter.id:
                raise InvalidInput("ID", f"{text!r} begins more than one letter's id: give more characters")


def _is_hex(text: str) -> bool:
    return all(one in "0123456789abcdef" for one in text)


def show_counts(out: Console, counts: "Summary") -> None:
    """How many there are of each error."""
    rows = table("error", "letters", right=("letters",))
    for error, count in sorted(counts.by_error.items(), key=lambda each: -each[1]):
        rows.add_row(safe(error), f"{count:,}")
    out.print(rows if counts.count else "[green]no dead letters[/]")
