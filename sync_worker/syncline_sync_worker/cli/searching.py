"""``syncline search``: what the documents say about something."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from syncline_sync_worker.cli.command import DEFAULT_TENANT, Tenant, command
from syncline_sync_worker.cli.filters import parse_filters
from syncline_sync_worker.cli.output import table
from syncline_sync_worker.cli.place import parse_namespace, show_namespace
from syncline_sync_worker.cli.running import FINE, Session

if TYPE_CHECKING:
    from syncline_store.search.hydrate import Hit

EXAMPLES = (
    'syncline search "how do I open a file"',
    'syncline search "compress data" --namespace python/library --filter kind=function',
    """syncline search "old talks" --filter '{"year": {"$lt": 2010}}' --limit 3 --json""",
)
_SNIPPET = 240
"""Characters of the best passage that are shown."""

Query = Annotated[str, typer.Argument(metavar="QUERY", help="A question, or a few words.", show_default=False)]
Below = Annotated[str, typer.Option("--namespace", help="Only there and below.", show_default=False)]
Filters = Annotated[
    list[str] | None, typer.Option("--filter", metavar="F=V|JSON", help="field=value or JSON; may be repeated.", show_default=False)
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100, help="How many at most.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "search", examples=EXAMPLES)(search)


async def search(
    session: Session, query: Query, *, namespace: Below = "", filters: Filters = None, limit: Limit = 5, tenant: Tenant = DEFAULT_TENANT
) -> int:
    """Search by meaning. What is pending is indexed first."""
    conditions = parse_filters(filters or ())
    async with session.open() as app:
        await app.in_step()
        hits = await app.store.tenant(tenant).search(parse_namespace(namespace), query=query, filter=conditions, limit=limit)
    data = {"query": query, "tenant": tenant, "hits": [_data(hit) for hit in hits]}
    session.output.result(data, lambda out: show_hits(out, hits))
    return FINE


def show_hits(out: Console, hits: "Sequence[Hit]") -> None:
    """Print hits as a table: score, where, and the best passage's beginning."""
    if not hits:
        out.print("[yellow]nothing found[/]")
        return
    rows = table("score", "document", "best passage", right=("score",))
    for hit in hits:
        document = hit.document
        where = f"[dim]{escape(show_namespace(document.namespace))}[/]\n[bold cyan]{escape(document.key)}[/]"
        rows.add_row("" if hit.score is None else f"{hit.score:.2f}", where, escape(snippet(hit)))
        rows.add_row()
    out.print(rows)


def snippet(hit: "Hit", length: int = _SNIPPET) -> str:
    """The beginning of the passage that matched, on one line; of the value where no passage is known."""
    text = " ".join((hit.passage or json.dumps(hit.document.value, ensure_ascii=False)).split())
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + "…"


def _data(hit: "Hit") -> dict[str, Any]:
    return {
        "namespace": list(hit.document.namespace),
        "key": hit.document.key,
        "score": None if hit.score is None else round(hit.score, 4),
        "revision": hit.document.revision,
        "snippet": snippet(hit),
        "value": hit.document.value,
    }
