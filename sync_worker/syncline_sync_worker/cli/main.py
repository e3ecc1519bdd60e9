"""The `syncline` command: its groups, put together."""

from typing import Annotated

import typer

from syncline_sync_worker.cli import (
    auditing,
    dead_letters,
    demo,
    diagnosing,
    documents,
    exporting,
    importing,
    migrating,
    operating,
    reconciling,
    reindexing,
    relaying,
    searching,
    using,
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer gives it so
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - reads files, for this option only

        typer.echo(f"syncline {version('syncline-worker')}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")]

app = typer.Typer(
    name="syncline",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(epilog="Begin with [cyan]syncline demo[/], or [cyan]syncline import FOLDER[/] and [cyan]syncline search QUESTION[/].")
def root(*, version: Version = False) -> None:
    """A document store whose vector index provably follows it."""
    del version


for group in (
    demo,
    importing,
    exporting,
    searching,
    documents,
    using,
    migrating,
    diagnosing,
    operating,
    relaying,
    reconciling,
    reindexing,
    dead_letters,
    auditing,
):
    group.register(app)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
