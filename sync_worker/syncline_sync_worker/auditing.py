"""One audit record for each action of an operator, written when the action has ended, however it ended."""

import asyncio
import getpass
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from syncline_contracts.audit import Action, AuditRecord
from syncline_contracts.identity import Ref
from syncline_contracts.revision import now_us
from syncline_store.engines.protocol import Audit

DONE, IN_PART, CUT_SHORT = "done", "in part", "cut short"


@dataclass(slots=True)
class Entry:
    """What the block says of itself. Without an `outcome` nothing was changed, and nothing is recorded of a block that ends well."""

    details: dict[str, Any] = field(default_factory=dict)
    ref: Ref | None = None
    """The one document that it is about."""
    tenant: str | None = None
    outcome: str | None = None


@asynccontextmanager
async def audited(audit: Audit, action: Action, who: str | None = None) -> AsyncIterator[Entry]:
    """Record what happens in the block. `who`: user and host unless given. Raises StorageUnavailable where it cannot be recorded."""
    entry = Entry()
    try:
        yield entry
    except BaseException as error:
        ended_by_hand = isinstance(error, asyncio.CancelledError | KeyboardInterrupt)
        entry.outcome = CUT_SHORT if ended_by_hand else f"failed: {type(error).__name__}"
        raise
    finally:
        if entry.outcome is not None:
            await audit.record([_record(entry, action, who)])


def _record(entry: Entry, action: Action, who: str | None) -> AuditRecord:
    ref = entry.ref
    return AuditRecord(
        at=now_us(),
        who=who or whoami(),
        action=action,
        tenant=entry.tenant if ref is None else ref.tenant,
        namespace=None if ref is None else ref.namespace,
        key=None if ref is None else ref.key,
        details=entry.details,
        outcome=entry.outcome or DONE,
    )


def whoami() -> str:
    """The operating system's user, and this machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
