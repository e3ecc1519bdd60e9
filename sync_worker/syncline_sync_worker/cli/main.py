"""The `syncline` command: its groups, put together."""

import typer

from syncline_sync_worker.cli import dead_letters, demo, documents, importing, operating, reconciling, searching

app = typer.Typer(
    name="syncline",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root() -> None:
    """A document store whose vector index provably follows it."""


for group in (demo, importing, searching, documents, operating, reconciling, dead_letters):
    group.register(app)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
