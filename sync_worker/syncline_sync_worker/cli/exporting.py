"""``syncline export``: documents as lines of JSON."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.markup import escape

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.cli.command import DEFAULT_TENANT, Tenant, command
from syncline_sync_worker.cli.output import counted
from syncline_sync_worker.cli.place import parse_namespace
from syncline_sync_worker.cli.running import FINE, Session

EXAMPLES = (
    "syncline export > all.jsonl",
    "syncline export users/u1 --output u1.jsonl",
    "syncline import u1.jsonl --store cql://scylla/notes",
)
_A_TIME = 500
"""Lines between two steps of the bar."""

Below = Annotated[str | None, typer.Argument(metavar="NAMESPACE", help="Only what is at and below it: users/u1.", show_default=False)]
Target = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; stdout otherwise.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "export", examples=EXAMPLES)(export)


async def export(session: Session, below: Below = None, *, output: Target = None, tenant: Tenant = DEFAULT_TENANT) -> int:
    """Write documents as lines of JSON, which `syncline import` reads back as they were.

    With their own index settings and expiry, the latter to the second. A file takes its name once it is whole: Ctrl-C leaves none.
    """
    if session.output.json and output is None:
        raise InvalidInput("output", "--json prints a summary on stdout: name a file for the documents with --output")
    documents = -1  # the first line says what the others are
    async with session.open() as app:
        lines = app.store.tenant(tenant).export(parse_namespace(below) if below else ())
        with _opened(output) as whole, session.output.progress("exporting") as advance:
            async for line in lines:
                whole.write(line + "\n")
                documents += 1
                if documents % _A_TIME == _A_TIME - 1:
                    advance(_A_TIME)
    if output is not None:
        data = {"tenant": tenant, "documents": documents, "output": str(output)}
        session.output.result(data, lambda out: out.print(f"[green]{counted(documents, 'document')}[/] in {escape(str(output))}"))
    return FINE


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    """Stdout, or a file beside the one that is wanted, which it replaces at the end."""
    if output is None:
        yield sys.stdout
        return
    partial = output.with_name(f".{output.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            yield file
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
