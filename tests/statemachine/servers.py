"""Worlds whose documents are on a real CQL server: one engine for all of them, a tenant for each."""

from itertools import count
from typing import Any

from syncline_contracts.revision import Clock
from syncline_store.engines.cql import CqlEngine, open_cql
from syncline_store.parts import Parts
from syncline_store.store import Store
from syncline_store.testing import WordEmbedder
from tests.parts.clock import ManualClock
from tests.parts.servers import cql
from tests.statemachine.world import SETTINGS, World

KEYSPACE = "syncline_statemachine"


class Kept:
    """The engine, for a store that closes it when its own world ends."""

    def __init__(self, engine: CqlEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def aclose(self) -> None:
        return


class Servers:
    """Makes worlds. Time moves on from one to the next, so that each finds its own rows in the outbox that they share."""

    def __init__(self, engine: CqlEngine, time: ManualClock, clock: Clock) -> None:
        self._engine = engine
        self._time = time
        self._clock = clock
        self._worlds = count()

    async def world(self) -> World:
        self._time.forward(3600)
        parts = Parts(SETTINGS, Kept(self._engine), self._clock, WordEmbedder())
        store = Store(parts)
        return World(store, self._time, await parts.index(), tenant=f"t{next(self._worlds)}")

    async def aclose(self) -> None:
        await self._engine.aclose()
        cql.drop(KEYSPACE)


async def open_servers() -> Servers:
    """Skips where there is no server; fails there with CI=true."""
    time = ManualClock()
    clock = Clock(now=time)
    engine = await open_cql(cql.settings(KEYSPACE), clock=clock)
    await engine.migrate()
    return Servers(engine, time, clock)
