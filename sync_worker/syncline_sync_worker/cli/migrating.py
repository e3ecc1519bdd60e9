"""``syncline migrate``: make schema, topics and collection, once for all processes."""

import time
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from syncline_contracts.errors import Unavailable
from syncline_sync_worker.cli.command import command
from syncline_sync_worker.cli.output import table
from syncline_sync_worker.cli.running import FINE, Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncline_sync_worker.migrating import Step

EXAMPLES = (
    "syncline migrate",
    "syncline migrate --config syncline.yaml --wait 300",
    "syncline migrate --store cql://scylla/syncline --index http://qdrant:6333 --set kafka.bootstrap_servers=kafka:9092",
)

Wait = Annotated[float, typer.Option("--wait", min=0.0, help="Seconds that servers may take to answer.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "migrate", examples=EXAMPLES)(migrate)


async def migrate(session: Session, *, wait: Wait = 60.0) -> int:
    """Make schema, topics and collection where they are missing.

    What is there is left as it is: it can be run again, and by several at once. Servers that do not answer yet are waited for; a wrong
    password or certificate ends it at once.
    """
    from syncline_sync_worker import migrating  # noqa: PLC0415 - the engines take longer than --help may
    from syncline_sync_worker.app import set_up_logs  # noqa: PLC0415 - as above

    configuration = session.place.configuration()
    set_up_logs(configuration)
    session.place.make(configuration)
    began = time.monotonic()

    def waiting(part: str, error: Unavailable) -> None:
        session.output.say(f"[yellow]waiting for the {part}:[/] {escape(str(error))}")

    async with aclosing(migrating.migrate(configuration, wait=wait, waiting=waiting)) as run:
        steps = [step async for step in run]
    data = {"steps": [asdict(step) for step in steps], "seconds": round(time.monotonic() - began, 1)}
    session.output.result(data, lambda out: _show(out, steps))
    return FINE


def _show(out: Console, steps: "Sequence[Step]") -> None:
    rows = table("part", "where", "what")
    for step in steps:
        what = [f"[green]made[/] {escape(name)}" for name in step.made] + [f"[dim]was there:[/] {escape(name)}" for name in step.there]
        rows.add_row(step.part, escape(step.where), "\n".join(what) or "[dim]made by who opens it[/]")
    out.print(rows)
