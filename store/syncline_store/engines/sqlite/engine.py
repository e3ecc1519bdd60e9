"""The engine: one SQLite file, its parts, and what concerns all of them."""

import sqlite3
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Self

from syncline_contracts.revision import Clock
from syncline_store.engines.sqlite.audit import SqliteAudit
from syncline_store.engines.sqlite.connection import Connections, transaction
from syncline_store.engines.sqlite.dead_letters import SqliteDeadLetters
from syncline_store.engines.sqlite.documents import SqliteDocuments
from syncline_store.engines.sqlite.expiry import Expiry
from syncline_store.engines.sqlite.leases import SqliteLeases
from syncline_store.engines.sqlite.migrations import migrate
from syncline_store.engines.sqlite.namespaces import SqliteNamespaces
from syncline_store.engines.sqlite.outbox import SqliteOutbox
from syncline_store.engines.sqlite.position import Positions

OUTBOX_LIFE = 3 * 24 * 3600 * 1_000_000
"""µs that an outbox row is kept: three days."""
AUDIT_LIFE = 90 * 24 * 3600 * 1_000_000
"""µs that an audit record is kept."""
CLOSED_LETTERS_LIFE = 30 * 24 * 3600 * 1_000_000
"""µs that a closed dead letter is kept."""

_FIX = "INSERT INTO properties (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
_FIXED = "SELECT value FROM properties WHERE name = ?"
_NEWEST = "SELECT max(revision) FROM documents"


class SqliteEngine:
    """The six parts over one file, made by `open_sqlite`. A second process may work on the same file."""

    def __init__(
        self, connections: Connections, *, clock: Clock, shards: int, outbox_life: int, audit_life: int, closed_letters_life: int
    ) -> None:
        self._connections = connections
        self._clock = clock
        positions = Positions(clock.now)
        self.outbox = SqliteOutbox(connections, positions, shards)
        self.documents = SqliteDocuments(connections, positions, self.outbox)
        self.namespaces = SqliteNamespaces(connections)
        self.leases = SqliteLeases(connections, clock, shards)
        self.dead_letters = SqliteDeadLetters(connections, clock)
        self.audit = SqliteAudit(connections)
        self._expiry = Expiry(connections, shards, outbox_life=outbox_life, audit_life=audit_life, closed_letters_life=closed_letters_life)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def migrate(self) -> None:
        """Bring the schema to this version. Opening did it already; again does no harm."""
        await self._connections.writing.run(partial(migrate, path=self._connections.path, now=self._clock.now()))

    async def missing(self) -> Sequence[str]:
        """None: opening brings a file up to date."""
        return ()

    async def identity(self) -> str:
        """The file's."""
        return await self._connections.writing.run(partial(_fix, name="identity", wanted=str(uuid.uuid4())))

    async def clock(self) -> int:
        """The later of this machine's clock and the newest revision."""
        newest = await self._connections.reading.run(lambda connection: connection.execute(_NEWEST).fetchone()[0])
        return max(self._clock.now(), newest or 0)

    async def expire(self, now: int) -> int:
        """Remove rows whose life has ended, a few hundred at a time."""
        return await self._expiry.expire(now)

    async def aclose(self) -> None:
        """Finish what is under way and let go of the file."""
        await self._connections.aclose()


async def open_sqlite(
    path: str,
    *,
    clock: Clock,
    shards: int = 4,
    outbox_life: int = OUTBOX_LIFE,
    audit_life: int = AUDIT_LIFE,
    closed_letters_life: int = CLOSED_LETTERS_LIFE,
) -> SqliteEngine:
    """Open a file (or ``":memory:"``) and bring its schema up to date. `shards` counts for a new file only.

    Raises StorageUnavailable, SchemaTooNew.
    """
    connections = Connections(path)
    try:
        await connections.writing.run(partial(migrate, path=path, now=clock.now()))
        fixed = int(await connections.writing.run(partial(_fix, name="shards", wanted=str(shards))))
    except BaseException:
        await connections.aclose()
        raise
    return SqliteEngine(
        connections,
        clock=clock,
        shards=fixed,
        outbox_life=outbox_life,
        audit_life=audit_life,
        closed_letters_life=closed_letters_life,
    )


def _fix(connection: sqlite3.Connection, name: str, wanted: str) -> str:
    """What the file was made with: a relay that looked at fewer shards, say, would miss events."""
    if connection.execute(_FIXED, (name,)).fetchone() is None:
        with transaction(connection):
            connection.execute(_FIX, (name, wanted))
    return str(connection.execute(_FIXED, (name,)).fetchone()[0])
