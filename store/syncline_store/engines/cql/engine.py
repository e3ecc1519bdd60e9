"""The engine: one keyspace, its parts, and what concerns all of them."""

import uuid
from collections.abc import Sequence
from typing import Self

from syncline_contracts.revision import Clock
from syncline_store.engines.cql.audit import CqlAudit
from syncline_store.engines.cql.dead_letters import CqlDeadLetters
from syncline_store.engines.cql.documents import CqlDocuments
from syncline_store.engines.cql.leases import CqlLeases
from syncline_store.engines.cql.migrations import migrate, migrations, missing
from syncline_store.engines.cql.namespaces import CqlNamespaces
from syncline_store.engines.cql.outbox import CqlOutbox
from syncline_store.engines.cql.position import GREGORIAN, Positions
from syncline_store.engines.cql.session import CqlSession, Statement
from syncline_store.engines.cql.statements import namespaces as statements
from syncline_store.settings import CqlSettings

CLOSED_LETTERS_LIFE = 30 * 24 * 3600
"""Seconds that a closed dead letter is kept."""

_NOW = Statement("SELECT now() FROM system.local")
_SHARDS = "shards"
_IDENTITY = "identity"


class CqlEngine:
    """The six parts over one session, made by `open_cql`. Any number of processes may work on one keyspace."""

    def __init__(self, session: CqlSession, *, clock: Clock, closed_letters_life: int = CLOSED_LETTERS_LIFE) -> None:
        self._session = session
        self._clock = clock
        self.namespaces = CqlNamespaces(session)
        self.outbox = CqlOutbox(session, Positions(clock.now))
        self.documents = CqlDocuments(session, self.namespaces, self.outbox)
        self.leases = CqlLeases(session, clock)
        self.dead_letters = CqlDeadLetters(session, clock, closed_life=closed_letters_life)
        self.audit = CqlAudit(session, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def migrate(self) -> None:
        """Bring the keyspace to this version, and make it where there is none."""
        await migrate(self._session, self._clock.now())
        await self._session.run(statements.FIX, _SHARDS, str(self._session.settings.shards))
        await self.identity()
        await self.look()

    async def missing(self) -> Sequence[str]:
        """The names of the migrations that the keyspace lacks: all of them where it is not there. Raises SchemaTooNew."""
        return [migration.name for migration in await missing(self._session)]

    async def look(self) -> None:
        """Learn what was fixed when the keyspace was made, if it was: who looked at fewer shards would miss events."""
        if len(await missing(self._session)) == len(migrations()):
            return
        for (shards,) in await self._session.run(statements.FIXED, _SHARDS):
            self.outbox.shards = self.leases.shards = int(shards)

    async def identity(self) -> str:
        """The keyspace's. Two that ask first at once: one draw stays."""
        found = await self._session.run(statements.FIXED, _IDENTITY)
        if not found:
            await self._session.run(statements.FIX, _IDENTITY, str(uuid.uuid4()))
            found = await self._session.run(statements.FIXED, _IDENTITY)
        ((identity,),) = found
        return str(identity)

    async def clock(self) -> int:
        """The clock of the server that answers, µs since 1970."""
        ((now,),) = await self._session.run(_NOW)
        return int((now.time - GREGORIAN) // 10)

    async def expire(self, now: int) -> int:  # noqa: ARG002 - the servers' TTLs know the time
        """Nothing is left to do: rows end by their TTL."""
        return 0

    async def aclose(self) -> None:
        """Finish what is under way and close the connections."""
        await self.documents.aclose()
        await self._session.aclose()


async def open_cql(settings: CqlSettings, *, clock: Clock, closed_letters_life: int = CLOSED_LETTERS_LIFE) -> CqlEngine:
    """Connect. The keyspace need not be there yet: `migrate` makes it. `closed_letters_life` (s): of dead letters, once closed.

    Raises StorageUnavailable where no server answers, and at once ConfigurationError (credentials, certificates), SchemaTooNew.
    """
    session = await CqlSession.open(settings)
    engine = CqlEngine(session, clock=clock, closed_letters_life=closed_letters_life)
    try:
        await engine.look()
    except BaseException:
        await session.aclose()
        raise
    return engine
