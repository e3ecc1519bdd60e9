"""``syncline demo``: the main job in a minute, told step by step."""

import shutil
import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, assert_never

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.cli.command import command
from syncline_sync_worker.cli.output import table
from syncline_sync_worker.cli.place import Place
from syncline_sync_worker.cli.running import FINE, PARTLY, Session

if TYPE_CHECKING:
    from syncline_sync_worker.config import Configuration
    from syncline_sync_worker.demo import steps
    from syncline_sync_worker.demo.damage import Damage
    from syncline_sync_worker.demo.result import Result

DEFAULT_FOLDER = "syncline-demo"
Keep = Annotated[bool, typer.Option("--keep", help="Keep what an earlier demo left, and import over it: unchanged text is not embedded.")]
OnServers = Annotated[bool, typer.Option("--on-servers", help="Run on the configured servers instead of in a folder.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = ["syncline demo", "syncline demo --data /tmp/try --json", "syncline demo --on-servers --config syncline.yaml"]
    command(app, "demo", examples=examples, data=DEFAULT_FOLDER)(demo)


async def demo(session: Session, *, keep: Keep = False, on_servers: OnServers = False) -> int:
    """Import text, search it, damage the index, find it, repair it.

    Needs nothing but this Python and a minute. Exit code 0 only if what was found is what was done, id by id, and nothing is left.

    With --on-servers, on the servers that file and environment name, whose relays and workers run: in a keyspace without documents.
    """
    from syncline_sync_worker.demo.demo import Demo  # noqa: PLC0415 - qdrant-client takes longer than --help may
    from syncline_sync_worker.demo.places import place_of  # noqa: PLC0415 - as above
    from syncline_sync_worker.demo.result import Result  # noqa: PLC0415 - as above

    configuration = session.place.configuration() if on_servers else _alone(session.place)
    result = Result()
    told = _Told(session.output.out, configuration, on_servers=on_servers)
    if not session.output.json:
        told.begin()
    place = place_of(configuration, on_servers=on_servers)
    async with aclosing(Demo(place, configuration, session.output.progress).run(keep=keep)) as run:
        async for step in run:
            result.add(step)
            if not session.output.json:
                told.tell(step, result)
    session.output.result(result.data() | {"data": configuration.where}, lambda _: told.end(result))
    return FINE if result.passed else PARTLY


def _alone(place: Place) -> "Configuration":
    """Both sides in the demo's folder and no Kafka, whatever file and environment say of servers."""
    if place.store is not None or place.index is not None:
        raise InvalidInput("--store, --index", "the demo works in a folder of its own: give --data instead, or say --on-servers")
    folder = place.configuration({"data": DEFAULT_FOLDER}).data
    return replace(place, data=folder, changes=(*place.changes, "kafka=null")).configuration()


class _Told:
    """Prints the steps, numbered, with small tables."""

    def __init__(self, out: Console, configuration: "Configuration", *, on_servers: bool) -> None:
        self._out = out
        self._configuration = configuration
        self._on_servers = on_servers
        self._number = 0

    def begin(self) -> None:
        configuration = self._configuration
        self._out.print("\n[bold]Syncline[/] keeps a vector index in step with documents, and proves it.")
        if not self._on_servers:
            self._out.print(f"[dim]SQLite, a local Qdrant and a small embedding model, all in {escape(str(configuration.data))}[/]")
            return
        for name, where in (("documents", configuration.store), ("events", self._transport), ("index", configuration.index)):
            self._out.print(f"[dim]{name:>12}[/]  [dim]{escape(where)}[/]")

    @property
    def _transport(self) -> str:
        kafka = self._configuration.kafka
        return "from hand to hand" if kafka is None else f"Kafka at {kafka.bootstrap_servers}"

    @property
    def _way(self) -> str:
        return "outbox → relay → Kafka → worker → Qdrant" if self._configuration.kafka is not None else "outbox → relay → handler → Qdrant"

    def tell(self, step: "steps.Step", result: "Result") -> None:
        from syncline_sync_worker.demo import steps  # noqa: PLC0415 - loaded by now; --help does without

        match step:
            case steps.Stored():
                self._stored(step)
            case steps.Indexed():
                self._head("Index", self._way, step.seconds)
                self._out.print(f"   {step.documents:,} documents in {step.points:,} passages, each with its vector")
            case steps.Answered(answers, seconds):
                self._head("Search", "by meaning", seconds)
                self._answers(answers)
            case steps.Changed(edited, deleted, seconds):
                self._head("Change", "and the index follows", seconds)
                self._out.print(f"   {edited} documents edited, {deleted} deleted")
            case steps.Damaged(damages):
                self._head("Damage", "through the raw qdrant-client, behind Syncline's back")
                self._damages(damages)
            case steps.Checked() if result.left is None:
                self._head("Check", "both sides, id by id, vectors computed anew", step.seconds)
                self._found(step, result)
            case steps.Repaired(events, seconds):
                self._head("Repair", "the normal way: an outbox event for each", seconds)
                self._out.print(f"   {events} documents indexed again, or removed")
            case steps.Checked():
                self._head("Check again", "the same once more", step.seconds)
                left = (
                    f"[bold red]✗ {step.total} still differ[/]"
                    if step.total
                    else "[bold green]✓[/] nothing is left: both sides are in step"
                )
                self._out.print(f"   {left}")
            case _:
                assert_never(step)

    def end(self, result: "Result") -> None:
        seconds = result.data()["seconds"]
        verdict = f"[bold green]Done[/] in {seconds:.0f} s." if result.passed else "[bold red]Something did not hold: see above.[/]"
        if self._on_servers:
            self._out.print(f"\n{verdict}\n")
            return
        self._out.print(f"\n{verdict} The data is still there, try it:\n")
        folder = escape(str(self._configuration.data))
        self._out.print(f'   [cyan]{escape(_program())} search "how do I compress a file" --data {folder}[/]\n', soft_wrap=True)

    def _head(self, name: str, how: str, seconds: float | None = None) -> None:
        self._number += 1
        took = "" if seconds is None else f"  [dim]{seconds:.1f} s[/]"
        self._out.print(f"\n[bold cyan]{self._number}  {name}[/]  [dim]{how}[/]{took}")

    def _stored(self, step: "steps.Stored") -> None:
        self._head("Import", "what Python ships about itself", step.seconds)
        kinds = ", ".join(f"{count:,} {_plural(kind)}" for kind, count in step.kinds.items())
        self._out.print(f"   {sum(step.kinds.values()):,} documents: {kinds}")
        if step.unchanged:
            self._out.print(f"   [dim]{step.unchanged:,} of them were there already, unchanged[/]")
        if step.anew:
            self._out.print("   [dim]an earlier demo's data in this folder was removed first[/]")

    def _answers(self, answers: "Sequence[steps.Answer]") -> None:
        rows = table("question", "best hit", "score", "", right=("score",))
        for answer in answers:
            key, score = ("", 0.0) if answer.hit is None else (answer.hit.document.key, answer.hit.score or 0.0)
            rows.add_row(escape(answer.question.query), f"[bold]{escape(key)}[/]", f"{score:.2f}", _tick(answer.expected))
        self._out.print(Padding(rows, (0, 0, 0, 3)))

    def _damages(self, damages: "Sequence[Damage]") -> None:
        rows = table("documents", "what was done", right=("documents",))
        for damage in damages:
            rows.add_row(str(len(damage.documents)), escape(damage.what))
        self._out.print(Padding(rows, (0, 0, 0, 3)))

    def _found(self, step: "steps.Checked", result: "Result") -> None:
        rows = table("drift", "done", "found", "same ids", right=("done", "found"))
        for kind, documents in sorted({**dict.fromkeys(step.found, frozenset()), **result.injected}.items()):
            found = step.found.get(kind, frozenset())
            rows.add_row(f"[yellow]{kind.replace('_', ' ')}[/]", str(len(documents)), str(len(found)), _tick(found == documents))
        self._out.print(Padding(rows, (0, 0, 0, 3)))
        if step.uncertain:
            self._out.print(f"   [red]and {step.uncertain} that could not be told apart[/]")


def _plural(kind: str) -> str:
    return {"topic": "language topics", "class": "classes"}.get(kind, f"{kind}s")


def _tick(good: bool) -> str:  # noqa: FBT001 - a mark for yes and no
    return "[green]✓[/]" if good else "[red]✗[/]"


def _program() -> str:
    """How to call this command again: by its name, or as it was called where that is not on the path."""
    return "syncline" if shutil.which("syncline") else sys.argv[0]
