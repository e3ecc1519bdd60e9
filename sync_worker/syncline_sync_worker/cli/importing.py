"""``syncline import``: files into the store, and into the index."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from syncline_sync_worker.cli.command import DEFAULT_TENANT, Tenant, command
from syncline_sync_worker.cli.place import parse_namespace, show_namespace, who_indexes
from syncline_sync_worker.cli.running import CUT_SHORT, FINE, PARTLY, Session

if TYPE_CHECKING:
    from syncline_sync_worker.imports.importer import Imported

EXAMPLES = (
    "syncline import notes/",
    "syncline import notes/ talks.jsonl --namespace archive/2024",
    "syncline import people.jsonl --key-field id --text-field bio",
    "syncline import exported.jsonl",
)

Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH", help="Folders of .md .txt .rst .html files, or .jsonl files.", show_default=False)
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", help="Where to put them; a folder's or file's name otherwise.", show_default=False)
]
KeyField = Annotated[str, typer.Option("--key-field", help="The field of a .jsonl line that holds the key.")]
TextField = Annotated[
    str | None, typer.Option("--text-field", help="The field of a .jsonl line to be searched; all its texts otherwise.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "import", examples=EXAMPLES, drains=True)(import_)


async def import_(
    session: Session,
    paths: Paths,
    *,
    namespace: Namespace = None,
    key_field: KeyField = "key",
    text_field: TextField = None,
    tenant: Tenant = DEFAULT_TENANT,
) -> int:
    """Import files: a document each, or each line of a .jsonl.

    What `syncline export` wrote goes back to its own namespaces. What is stored already, unchanged, is neither written nor embedded
    again. A file or line that cannot be read is named and the others are imported (exit code 1). Ctrl-C stops reading, indexes what
    was stored, and ends.
    """
    from syncline_sync_worker.imports import Reading, read  # noqa: PLC0415 - parsers that --help does not need

    reading = Reading(namespace=parse_namespace(namespace) or None if namespace else None, key_field=key_field, text_field=text_field)
    items = read(paths, reading)
    async with session.open(make=True) as app:
        others = who_indexes(app.configuration)
        with session.output.progress("storing") as advance:
            outcome = await app.importer(tenant).run(items, stop=session.stop, advance=advance)
        with session.output.progress("indexing", total=outcome.written) as advance:
            indexed = await app.in_step_if_free(advance)
    _report(session, outcome, others=None if indexed else others, buried=app.buried, tenant=tenant)
    if outcome.stopped:
        return CUT_SHORT
    return PARTLY if outcome.failed or app.buried else FINE


def _report(session: Session, outcome: "Imported", *, others: str | None, buried: int, tenant: str) -> None:
    data = {
        "tenant": tenant,
        "written": outcome.written,
        "unchanged": outcome.unchanged,
        "expired": outcome.expired,
        "failed": outcome.failed,
        "dead_letters": buried,
        "problems": [{"origin": problem.origin, "message": problem.message} for problem in outcome.problems],
        "namespaces": [list(namespace) for namespace in sorted(outcome.namespaces)[:100]],
        "indexed": others is None,
        "stopped": outcome.stopped,
    }
    for problem in outcome.problems:
        session.output.say(f"[yellow]left out[/] {escape(problem.origin)}: {escape(problem.message)}")
    if outcome.failed > len(outcome.problems):
        session.output.say(f"[yellow]and {outcome.failed - len(outcome.problems):,} more[/]")

    def show(out: Console) -> None:
        expired = f", {outcome.expired:,} expired since" if outcome.expired else ""
        left_out = f", [yellow]{outcome.failed:,} left out[/]" if outcome.failed else ""
        out.print(f"[green]{outcome.written:,} written[/], {outcome.unchanged:,} unchanged{expired}{left_out}")
        named = [show_namespace(namespace) for namespace in sorted(outcome.namespaces)]
        if named:
            out.print(f"[dim]namespace {escape(', '.join(named[:5]))}{' and others' if len(named) > 5 else ''}[/]")  # noqa: PLR2004 - a line's worth
        elif not outcome.failed:
            out.print("[yellow]nothing to import was found: .md .txt .rst .html and .jsonl files are read[/]")
        if others is not None and outcome.written:
            out.print(f"[dim]{others} will index them[/]")

    session.output.result(data, show)
