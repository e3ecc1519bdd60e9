"""What the CQL tests share: keyspaces of their own, engines on them, and a server that stands still for a while."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from syncline_contracts.revision import Clock
from syncline_store.engines.cql import CqlEngine, open_cql
from syncline_store.engines.protocol import OutboxRow, Pos
from tests.parts.servers import cql
from tests.parts.servers.process import freeze


@pytest.fixture
def keyspace() -> Iterator[str]:
    """A name that nobody has; dropped afterwards."""
    cql.server()
    name = f"t{uuid.uuid4().hex[:12]}"
    yield name
    cql.drop(name)


class Opening:
    """Opens engines on one keyspace and closes them all."""

    def __init__(self, keyspace: str) -> None:
        self.keyspace = keyspace
        self._opened: list[CqlEngine] = []

    async def __call__(self, *, migrated: bool = True, clock: Clock | None = None, **changes: Any) -> CqlEngine:
        engine = await open_cql(cql.settings(self.keyspace, **changes), clock=clock or Clock())
        self._opened.append(engine)
        if migrated:
            await engine.migrate()
        return engine

    async def aclose(self) -> None:
        for engine in self._opened:
            await engine.aclose()


@pytest.fixture
async def opening(keyspace: str) -> AsyncIterator[Opening]:
    found = Opening(keyspace)
    yield found
    await found.aclose()


def ask(text: str, *values: object) -> list[Any]:
    """Rows, by the driver alone."""
    return list(cql.admin().execute(text, values or None, timeout=60))


async def events(engine: CqlEngine) -> list[OutboxRow]:
    """Every row of the outbox."""
    shards = range(engine.outbox.shards)
    return [row for shard in shards for row in await engine.outbox.read(shard, Pos(0), Pos(2**62), 100_000)]


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 30) -> None:
    """Ask until it holds, for what the servers' clocks bring about."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the servers set no event
            await asyncio.sleep(0.1)


@contextmanager
def frozen() -> Iterator[None]:
    """The server stands still: it is there, and does not answer."""
    process = cql.server().process
    if process is None:
        pytest.skip("only a server of our own may be frozen")
    freeze(process.pid)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)
