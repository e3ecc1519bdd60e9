"""The storage engines that the contract suite runs on. A further one is one more line in ENGINES."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine
from syncline_store.engines.sqlite import open_sqlite
from tests.parts.late_engine import LateEngine
from tests.parts.servers import cql


@dataclass(frozen=True)
class Implementation:
    """`open` gives a migrated engine on the database that belongs to this folder: the same one each time, where `shared`."""

    name: str
    open: Callable[[Path, Clock], Awaitable[Engine]]
    shared: bool = True
    own_time: bool = False
    """Its server's clock decides when leases and rows end: tests that move the time are skipped."""
    merges: bool = False
    """Two different writes of one revision are merged cell by cell (architecture, section 3): tests that make such are skipped."""


async def _file(folder: Path, clock: Clock) -> Engine:
    return await open_sqlite(str(folder / "documents.db"), clock=clock)


async def _memory(folder: Path, clock: Clock) -> Engine:
    return await open_sqlite(":memory:", clock=clock)


async def _late(folder: Path, clock: Clock) -> Engine:
    """The tests' own wrapper, with nothing delayed, keeps the contract as well."""
    return LateEngine(await _file(folder, clock), clock.now)


ENGINES = [
    Implementation("sqlite", _file),
    Implementation("sqlite in memory", _memory, shared=False),
    Implementation("late rows", _late),
    Implementation("cql", cql.open_engine, own_time=True, merges=True),
]
