"""Registers a command: an async function that takes a Session and gives an exit code.

Each command gets the common options (`_COMMON`) without naming them, its examples below its help, and errors and
signals handled in one place (`running`).
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer
from rich.markup import escape

from syncline_sync_worker.cli.output import Output
from syncline_sync_worker.cli.place import Place
from syncline_sync_worker.cli.running import Session, run

P = ParamSpec("P")
_PLACE = "Common options"


def _option(*names: str, **said: Any) -> Any:
    return typer.Option(*names, rich_help_panel=_PLACE, show_default=False, **said)


Tenant = Annotated[str, typer.Option("--tenant", help="Whose documents.", rich_help_panel=_PLACE)]
Store = Annotated[str | None, _option("--store", metavar="URL", help="The documents elsewhere: sqlite:///PATH or cql://HOST/KEYSPACE.")]
Index = Annotated[str | None, _option("--index", metavar="URL", help="The index elsewhere: path:FOLDER or a Qdrant server's URL.")]
Config = Annotated[Path | None, _option("--config", metavar="FILE", help="Settings in YAML; or SYNCLINE_CONFIG.")]
Set = Annotated[list[str] | None, _option("--set", metavar="NAME=VALUE", help="One more setting: cql.local_dc=dc1. May be repeated.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.", rich_help_panel=_PLACE)]

_COMMON: dict[str, tuple[Any, Any]] = {
    "store": (Store, None),
    "index": (Index, None),
    "config": (Config, None),
    "changes": (Set, None),
    "as_json": (Json, False),
}
DEFAULT_TENANT = "default"
DEFAULT_FOLDER = "syncline-data"


def command(
    app: typer.Typer, name: str, *, examples: Sequence[str], drains: bool = False, data: str = DEFAULT_FOLDER
) -> Callable[[Callable[Concatenate[Session, P], Awaitable[int]]], Callable[Concatenate[Session, P], Awaitable[int]]]:
    """Register what follows as `name`. With `drains`, Ctrl-C first sets `session.stop`. `data`: what help says of --data."""

    def register(body: Callable[Concatenate[Session, P], Awaitable[int]]) -> Callable[Concatenate[Session, P], Awaitable[int]]:
        invoke: Callable[..., Awaitable[int]] = body

        def entry(**given: Any) -> None:
            place = Place(given.pop("data"), given.pop("store"), given.pop("index"), given.pop("config"), tuple(given.pop("changes") or ()))
            session = Session(place, Output(as_json=given.pop("as_json")))
            raise typer.Exit(run(session, lambda session: invoke(session, **given), drains=drains))

        entry.__doc__ = _flowing(body.__doc__ or "")
        _take_parameters(entry, body, data)
        app.command(name, epilog=epilog(examples))(entry)
        return body

    return register


def _take_parameters(entry: Callable[..., None], body: Callable[..., Any], data: str) -> None:
    """Give `entry` the parameters of `body` but the session, and the common ones: typer reads them off its signature."""
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(body).parameters.items()
        if name != "session"
    ]
    folder = Annotated[Path | None, _option("--data", metavar="DIR", help=f"The folder of both; or SYNCLINE_DATA, or {data}.")]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, (kind, default) in {"data": (folder, None), **_COMMON}.items()
    ]
    parameters = [*own, *common]
    entry.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    entry.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # inspect.signature honours it


def _flowing(text: str) -> str:
    """Paragraphs without the line breaks of the source: the terminal's width decides."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))


def epilog(examples: Sequence[str]) -> str:
    """What stands below a command's help."""
    return "\n".join(["[bold]Examples[/]", *(f"  [cyan]{escape(example)}[/]" for example in examples)])
