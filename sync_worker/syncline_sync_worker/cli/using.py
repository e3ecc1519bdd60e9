"""``syncline usage``: how much a tenant holds, of how much it may."""

from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from syncline_sync_worker.cli.command import DEFAULT_TENANT, Tenant, command
from syncline_sync_worker.cli.output import table
from syncline_sync_worker.cli.running import FINE, Session

if TYPE_CHECKING:
    from syncline_store.settings import Quota
    from syncline_store.usage import Usage

EXAMPLES = ("syncline usage", "syncline usage --tenant acme --json")
HELD = ("documents", "bytes")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "usage", examples=EXAMPLES)(usage)


async def usage(session: Session, *, tenant: Tenant = DEFAULT_TENANT) -> int:
    """Count a tenant's living documents and the bytes of their values, beside its quotas.

    Every one of them is looked at, so it takes as long as reading them.
    """
    async with session.open() as app:
        held = await app.store.tenant(tenant).usage()
        quota = app.configuration.quotas.of(tenant)
    session.output.result(_data(tenant, held, quota), lambda out: _show(out, held, quota))
    return FINE


def _data(tenant: str, held: "Usage", quota: "Quota") -> dict[str, Any]:
    return {
        "tenant": tenant,
        **{what: getattr(held, what) for what in HELD},
        "quotas": {what: getattr(quota, what) for what in HELD},
        "counted_at": held.counted_at.isoformat(),
    }


def _show(out: Console, held: "Usage", quota: "Quota") -> None:
    rows = table("", "held", "quota", "used", right=("held", "quota", "used"))
    for what in HELD:
        has, most = getattr(held, what), getattr(quota, what)
        rows.add_row(what, f"{has:,}", "none" if most is None else f"{most:,}", "" if most is None else f"{has / most:.0%}")
    out.print(rows)
