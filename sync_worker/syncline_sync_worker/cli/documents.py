"""``syncline get``, ``put`` and ``delete``: one document."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.json import JSON

from syncline_contracts.errors import InvalidInput
from syncline_contracts.identity import Ref
from syncline_sync_worker.cli.command import DEFAULT_TENANT, Tenant, command
from syncline_sync_worker.cli.place import parse_namespace, show_namespace, who_indexes
from syncline_sync_worker.cli.running import FINE, PARTLY, Session

if TYPE_CHECKING:
    from syncline_sync_worker.app import App

Namespace = Annotated[str, typer.Argument(metavar="NAMESPACE", help="The document's namespace: users/u1/notes.", show_default=False)]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The document's key.", show_default=False)]
Value = Annotated[str, typer.Argument(metavar="VALUE", help="A JSON object, or - to read it from stdin.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "get", examples=["syncline get python/topics lambda", "syncline get users/u1/notes n1 --json"])(get)
    command(app, "put", examples=["""syncline put users/u1/notes n1 '{"text": "hello"}'""", "syncline put notes n1 - < n1.json"])(put)
    command(app, "delete", examples=["syncline delete users/u1/notes n1"])(delete)


async def get(session: Session, namespace: Namespace, key: Key, tenant: Tenant = DEFAULT_TENANT) -> int:
    """Show a document as the source holds it.

    Exit code 1 when there is none.
    """
    parts = parse_namespace(namespace)
    async with session.open() as app:
        document = await app.store.tenant(tenant).get(parts, key)
    if document is None:
        session.output.failed("NotFound", f"there is no document {key!r} in {namespace!r} of tenant {tenant!r}")
        return PARTLY
    shown = {
        "namespace": list(document.namespace),
        "key": document.key,
        "revision": document.revision,
        "created_at": document.created_at.isoformat(),
        "updated_at": document.updated_at.isoformat(),
        "expires_at": None if document.expires_at is None else document.expires_at.isoformat(),
        "value": document.value,
    }

    def show(out: Console) -> None:
        out.print(f"[bold]{show_namespace(document.namespace)}[/] [cyan]{document.key}[/]", markup=True)
        out.print(f"[dim]revision {document.revision}, updated {document.updated_at:%Y-%m-%d %H:%M:%S} UTC[/]")
        out.print(JSON.from_data(document.value, ensure_ascii=False))

    session.output.result(shown, show)
    return FINE


async def put(session: Session, namespace: Namespace, key: Key, value: Value, tenant: Tenant = DEFAULT_TENANT) -> int:
    """Write a document, and index it.

    Exit code 1 when it is stored, but cannot be indexed.
    """
    parts = parse_namespace(namespace)
    content = _object(sys.stdin.read() if value == "-" else value)
    async with session.open(make=True) as app:
        revision = await app.store.tenant(tenant).put(parts, key, content)
        return await _finish(session, app, Ref(tenant, parts, key), revision, "stored")


async def delete(session: Session, namespace: Namespace, key: Key, tenant: Tenant = DEFAULT_TENANT) -> int:
    """Delete a document, and take it out of the index."""
    parts = parse_namespace(namespace)
    async with session.open() as app:
        revision = await app.store.tenant(tenant).delete(parts, key)
        return await _finish(session, app, Ref(tenant, parts, key), revision, "deleted")


async def _finish(session: Session, app: "App", ref: Ref, revision: int, what: str) -> int:
    """Bring the index in step, if it is ours to do, and say whether it has the document."""
    ours = await app.in_step_if_free()
    indexed = ours and await app.holds(ref, revision)
    if indexed:
        then = "the index has it"
    else:
        then = "[yellow]the index does not have it[/]" if ours else f"{who_indexes(app.configuration)} will index it"
    data = {"namespace": list(ref.namespace), "key": ref.key, "revision": revision, "indexed": indexed}
    session.output.result(data, lambda out: out.print(f"[green]{what}[/] at revision {revision}; {then}"))
    return PARTLY if ours and not indexed else FINE


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput("value", f"is not JSON ({error}): write it in single quotes, or give - and pipe it in") from None
    if not isinstance(value, dict):
        raise InvalidInput("value", f'is a JSON {type(value).__name__}, not an object: write {{"text": ...}}')
    return value
