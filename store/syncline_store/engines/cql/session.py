"""Statements and how they are run: prepared once, awaited, their errors translated."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cassandra import cluster as driver
from cassandra.cluster import ResultSet
from cassandra.query import BatchStatement, BoundStatement, SimpleStatement

from syncline_contracts.errors import StorageUnavailable, SynclineError
from syncline_store.engines.cql.binding import Prepared
from syncline_store.engines.cql.bridge import answer
from syncline_store.engines.cql.connecting import connect, level
from syncline_store.engines.cql.dialects import CASSANDRA, SCYLLADB, TELL, Dialect
from syncline_store.engines.cql.errors import translated
from syncline_store.settings import CqlSettings

Rows = list[Any]
"""Tuples of columns."""

_LONG_ENOUGH = 120.0
"""Seconds for a change of the schema."""


@dataclass(frozen=True, slots=True)
class Statement:
    """CQL text; ``{keyspace}`` is filled in. A `serial` read sees every conditional write that was begun before it.

    A `scan` reads much that nobody will soon read again.
    """

    text: str
    serial: bool = False
    scan: bool = False

    def on(self, dialect: Dialect, settings: CqlSettings) -> str:
        """The text for a server."""
        scan = dialect.scan.format(milliseconds=round(settings.request_timeout * 1e3)) if self.scan else ""
        return self.text.replace("{keyspace}", settings.keyspace) + scan


class CqlSession:
    """One driver session, used from one event loop. Every method raises StorageUnavailable or ConfigurationError."""

    def __init__(self, settings: CqlSettings, session: driver.Session) -> None:
        self.settings = settings
        self._session = session
        self._serial = level(settings.serial_consistency)
        self._dialect: Dialect | None = None
        self._prepared: dict[Statement, Prepared] = {}
        self._room = asyncio.Semaphore(settings.max_in_flight)
        self._preparing: defaultdict[Statement, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._closed = False

    @classmethod
    async def open(cls, settings: CqlSettings) -> "CqlSession":
        """Connect. A wrong password is a ConfigurationError at once, no server StorageUnavailable."""
        connecting = asyncio.ensure_future(asyncio.to_thread(connect, settings, _own_loop()))
        try:
            return cls(settings, await asyncio.shield(connecting))
        except asyncio.CancelledError:
            with suppress(Exception):  # the thread cannot be stopped: what it opens is closed
                await asyncio.to_thread((await connecting).cluster.shutdown)
            raise
        except Exception as error:
            raise _told(error, settings) from error

    @property
    def local_dc(self) -> str:
        """The datacentre that requests go to."""
        hosts = self._session.cluster.metadata.all_hosts()
        return self.settings.local_dc or next((host.datacenter for host in hosts if host.is_up and host.datacenter), "datacenter1")

    async def dialect(self) -> Dialect:
        """Which server this is: asked once."""
        if self._dialect is None:
            self._dialect = SCYLLADB if await self.ask(TELL) else CASSANDRA
        return self._dialect

    async def prepared(self, statement: Statement) -> Prepared:
        """The statement, prepared at its first use; none waits for another's."""
        if found := self._prepared.get(statement):
            return found
        async with self._preparing[statement]:
            if statement not in self._prepared:
                self._prepared[statement] = await self._prepare(statement)
            return self._prepared[statement]

    async def run(self, statement: Statement, *values: Any) -> Rows:
        """All rows of a statement, as tuples."""
        bound = (await self.prepared(statement)).bind(values)
        rows, state = await self._page(bound, None)
        while state is not None:
            more, state = await self._page(bound, state)
            rows += more
        return rows

    async def pages(self, statement: Statement, *values: Any, size: int) -> AsyncGenerator[Rows, None]:
        """The rows in pages of at most `size`, each read when it is asked for. Pages may be empty."""
        bound = (await self.prepared(statement)).bind(values)
        bound.fetch_size = size
        rows, state = await self._page(bound, None)
        yield rows
        while state is not None:
            rows, state = await self._page(bound, state)
            yield rows

    async def execute(self, statement: BoundStatement | BatchStatement) -> Rows:
        """One request, and the rows of its answer. The driver's error is the cause of what is raised."""
        return (await self._page(statement, None))[0]

    async def _page(self, statement: BoundStatement | BatchStatement, state: bytes | None) -> tuple[Rows, bytes | None]:
        """Rows, and where they go on."""
        async with self._room:
            if self._closed:
                raise self._is_closed()
            try:
                response = self._session.execute_async(statement, paging_state=state)
                rows = await answer(response) or []
                return rows, ResultSet(response, rows).paging_state if response.has_more_pages else None
            except Exception as error:
                raise _told(error, self.settings) from error

    async def define(self, text: str) -> list[Any]:
        """Run a change of the schema, which may take longer than a request."""
        return await self._unprepared(text, _LONG_ENOUGH)

    async def ask(self, text: str) -> list[Any]:
        """Read by a statement that is not prepared: what comes before the schema."""
        return await self._unprepared(text, self.settings.request_timeout)

    async def _unprepared(self, text: str, within: float) -> list[Any]:
        statement = SimpleStatement(text)
        try:
            return list(await asyncio.to_thread(self._session.execute, statement, timeout=within))
        except Exception as error:
            raise _told(error, self.settings) from error

    async def aclose(self) -> None:
        """Close the connections. What is under way is answered first, or times out."""
        self._closed = True
        for _ in range(self.settings.max_in_flight):
            await self._room.acquire()
        for _ in range(self.settings.max_in_flight):
            self._room.release()
        await asyncio.to_thread(self._session.cluster.shutdown)

    async def _prepare(self, statement: Statement) -> Prepared:
        if self._closed:
            raise self._is_closed()
        text = statement.on(await self.dialect(), self.settings)
        try:
            prepared = await asyncio.to_thread(self._session.prepare, text)
        except Exception as error:
            raise _told(error, self.settings) from error
        prepared.is_idempotent = True  # each of our statements is, and none is retried by the driver
        if statement.serial:
            prepared.consistency_level = self._serial
        return Prepared(prepared)

    def _is_closed(self) -> SynclineError:
        return StorageUnavailable(f"{self.settings.name}: the engine is closed: open it again")


def _told(error: Exception, settings: CqlSettings) -> Exception:
    """In our own tree, where it is the driver's; anything else is a mistake of the program, and stays visible as one."""
    return translated(error, settings.name) or RuntimeError(f"{settings.name}: {error!r}")


def _own_loop() -> asyncio.AbstractEventLoop | None:
    """None where the loop cannot watch sockets, as Windows' usual one: the driver's own thread does it then."""
    loop = asyncio.get_running_loop()
    return None if isinstance(loop, getattr(asyncio, "ProactorEventLoop", ())) else loop
