"""``syncline doctor``: look at every part, and say what to do."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from syncline_sync_worker.cli.command import command
from syncline_sync_worker.cli.output import counted, table
from syncline_sync_worker.cli.running import FAILED, FINE, PARTLY, Session

if TYPE_CHECKING:
    from syncline_sync_worker.doctor import Examined, Finding

EXAMPLES = ("syncline doctor", "syncline doctor --config syncline.yaml --strict", "syncline doctor --json")
_MARKS = {"ok": "[green]✓[/]", "warn": "[bold yellow]![/]", "fail": "[bold red]✗[/]"}

Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 where anything should be looked at.")]
Within = Annotated[float, typer.Option("--within", min=1.0, help="Seconds that each part has to answer.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "doctor", examples=EXAMPLES)(doctor)


async def doctor(session: Session, *, strict: Strict = False, within: Within = 15.0) -> int:
    """Look at every part that is configured, and say what to do.

    Changes nothing. Connects to each part by itself: one that is away hides nothing of the others. Exit code: 0 nothing failed, 1 with
    --strict, where something should be looked at, 2 something failed.
    """
    from syncline_sync_worker.app import set_up_logs  # noqa: PLC0415 - the engines take longer than --help may
    from syncline_sync_worker.doctor import examine  # noqa: PLC0415 - as above

    configuration, origins = session.place.configuration(), session.place.origins()
    set_up_logs(configuration)
    examined = await examine(configuration, origins, within=within)
    levels = Counter(finding.level.value for _, finding in _all(examined))
    data = {
        "checks": [{"part": part, **asdict(finding)} for part, finding in _all(examined)],
        "levels": {level: levels[level] for level in _MARKS},
        "settings": origins,
    }
    session.output.result(data, lambda out: _show(out, examined, levels))
    if levels["fail"]:
        return FAILED
    return PARTLY if strict and levels["warn"] else FINE


def _all(examined: "Sequence[Examined]") -> "Iterator[tuple[str, Finding]]":
    return ((each.part, finding) for each in examined for finding in each.findings)


def _show(out: Console, examined: "Sequence[Examined]", levels: Counter[str]) -> None:
    rows = table("part", "", "check", "what was found")
    for each in examined:
        for number, finding in enumerate(each.findings):
            remedy = f"\n[cyan]{escape(finding.remedy)}[/]" if finding.remedy else ""
            part = f"[bold]{each.part}[/]" if number == 0 else ""
            rows.add_row(part, _MARKS[finding.level.value], escape(finding.check), f"{escape(finding.said)}{remedy}")
    out.print(rows)
    told = [counted(levels[level], name) for level, name in (("fail", "failure"), ("warn", "warning")) if levels[level]]
    out.print(f"\n[bold]{' and '.join(told)}[/]" if told else "\n[green]all is well[/]")
