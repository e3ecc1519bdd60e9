"""``syncline run`` and ``syncline status``: keep the index in step, and see how things stand."""

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.cli.command import command
from syncline_sync_worker.cli.output import counted
from syncline_sync_worker.cli.running import FINE, PARTLY, Session

if TYPE_CHECKING:
    from syncline_sync_worker.config import Configuration
    from syncline_sync_worker.status import Status

_EVERY = 2.0
"""Seconds between two lines that say what was indexed."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "run", examples=["syncline run", "syncline run --data /srv/notes --json"], drains=True)(run)
    command(app, "status", examples=["syncline status", "syncline status --json"])(status)


async def run(session: Session) -> int:
    """Keep the index in step until Ctrl-C, which drains.

    Relay, worker and sweep in one process: what others write is indexed within a second, an outage is waited out, and Ctrl-C or
    SIGTERM finishes what is under way.
    """
    tally = _Tally()
    configuration = session.place.configuration({})
    _refuse_kafka(configuration)
    async with session.open(configuration, make=True) as app:
        await app.hold_index()
        session.output.say(f"running on [bold]{escape(configuration.where)}[/]; Ctrl-C ends it")
        async with asyncio.TaskGroup() as group:
            group.create_task(app.run(session.stop, tally.add))
            group.create_task(_tell(session, tally))
    seconds = round(time.monotonic() - tally.since, 1)
    data = {"documents": tally.documents, "seconds": seconds}
    session.output.result(
        data, lambda out: out.print(f"[green]drained[/]: {counted(tally.documents, 'document')} brought in step in {seconds:,} s")
    )
    return FINE


def _refuse_kafka(configuration: "Configuration") -> None:
    if configuration.kafka is not None:
        raise ConfigurationError(
            f"kafka is configured ({configuration.kafka.bootstrap_servers}), so relay and worker are processes of their own: use "
            "`syncline relay` and `syncline worker`, or take kafka out (--set kafka=null)"
        )


class _Tally:
    def __init__(self) -> None:
        self.since = time.monotonic()
        self.documents = 0

    def add(self, more: int) -> None:
        self.documents += more


async def _tell(session: Session, tally: _Tally) -> None:
    """Say now and then how much was handled, for as long as something is."""
    told = 0
    while not session.stop.is_set():
        try:
            async with asyncio.timeout(_EVERY):
                await session.stop.wait()
        except TimeoutError:
            if tally.documents > told:
                session.output.say(f"[dim]{time.strftime('%H:%M:%S')}[/] {counted(tally.documents - told, 'document')} brought in step")
                told = tally.documents


async def status(session: Session) -> int:
    """Show what each side holds, and what is pending.

    Changes nothing. Works while another process holds the index. Exit code 1 when index or Kafka do not answer: the rest is shown.
    """
    configuration = session.place.configuration()
    async with session.open(configuration) as app:
        found = await app.status()
    data = asdict(found) | {"data": str(configuration.data), "store": configuration.store, "index": configuration.index}
    for problem in found.problems:
        session.output.say(f"[yellow]not counted:[/] {escape(problem)}")
    session.output.result(data, lambda out: _show(out, found, configuration))
    return PARTLY if found.problems else FINE


def _show(out: Console, found: "Status", configuration: "Configuration") -> None:
    age = "" if found.oldest_unpublished is None else f", the oldest for {found.oldest_unpublished:,.0f} s"
    letters = "[green]0[/]" if not found.dead_letters else f"[yellow]{found.dead_letters:,}[/] [dim](syncline dead-letters list)[/]"
    backlog = "[green]0[/] [dim]nothing waits to be indexed[/]" if not found.backlog else f"[yellow]{found.backlog:,}[/] waiting{age}"
    unhandled = {} if found.unhandled is None else {"in Kafka": f"{found.unhandled:,} [dim]published and not handled yet[/]"}
    lines = {
        "documents": f"{found.documents:,}",
        "points": _no_points(found) if found.points is None else f"{found.points:,}",
        "backlog": backlog,
        **unhandled,
        "dead letters": letters,
        "model": f"[dim]{escape(found.model)}[/]",
        **_next(found),
    }
    out.print(f"[dim]{escape(configuration.where)}[/]", soft_wrap=True)
    for name, line in lines.items():
        out.print(f"[dim]{name:>12}[/]  {line}")


def _next(found: "Status") -> dict[str, str]:
    if found.next_model is None:
        return {}
    points = "" if found.next_points is None else f": {found.next_points:,} points"
    return {"next model": f"[dim]{escape(found.next_model)}{points}[/]"}


def _no_points(found: "Status") -> str:
    return "[yellow]not counted[/]" if found.problems else "[yellow]another process holds the index[/]"
