"""``syncline get``, ``put`` and ``delete``: one document."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.json import JSON

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.cli.command import DEFAULT_TENANT, Tenant, command
from syncline_sync_worker.cli.place import parse_namespace, show_namespace
from syncline_sync_worker.cli.running import FINE, PARTLY, Session

Namespace = Annotated[str, typer.Argument(help="The document's namespace: users/u1/notes.", show_default=False)]
Key = Annotated[str, typer.Argument(help="The document's key.", show_default=False)]
Value = Annotated[str, typer.Argument(help="A JSON object, or - to read it from stdin.", show_default=False)]


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
    """Write a document, and index it."""
    parts = parse_namespace(namespace)
    content = _object(sys.stdin.read() if value == "-" else value)
    async with session.open(make=True) as app:
        revision = await app.store.tenant(tenant).put(parts, key, content)
        indexed = await app.in_step_if_free()
    _wrote(session, {"namespace": list(parts), "key": key, "revision": revision, "indexed": indexed}, "stored")
    return FINE


async def delete(session: Session, namespace: Namespace, key: Key, tenant: Tenant = DEFAULT_TENANT) -> int:
    """Delete a document, and take it out of the index."""
    parts = parse_namespace(namespace)
    async with session.open() as app:
        revision = await app.store.tenant(tenant).delete(parts, key)
        indexed = await app.in_step_if_free()
    _wrote(session, {"namespace": list(parts), "key": key, "revision": revision, "indexed": indexed}, "deleted")
    return FINE


def _wrote(session: Session, data: dict[str, Any], what: str) -> None:
    then = "the index has it" if data["indexed"] else "the process that holds the index (`syncline run`) indexes it"
    session.output.result(data, lambda out: out.print(f"[green]{what}[/] at revision {data['revision']}; {then}"))


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput("value", f"is not JSON ({error}): write it in single quotes, or give - and pipe it in") from None
    if not isinstance(value, dict):
        raise InvalidInput("value", f'is a JSON {type(value).__name__}, not an object: write {{"text": ...}}')
    return value
