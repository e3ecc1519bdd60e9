"""A relay that is stopped (SIGSTOP) past its lease, replaced, and goes on (SIGCONT): nothing is lost, and no mark moves backwards."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.cql import CqlSettings
from syncline_store.engines.protocol import Engine, Pos
from tests.crash import freezing
from tests.crash.freezing import Storage
from tests.crash.killing import forking, start
from tests.crash.processes import Place
from tests.parts.servers import cql

ROUNDS = 3
DEADLINE = 40.0
KEYSPACE = "syncline_freezing"


class Marks:
    """Looks at every shard's mark again and again: none may go back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.moves = 0
        self._last: dict[int, Pos] = {}

    async def look(self) -> None:
        for shard, mark in (await self._engine.leases.marks()).items():
            last = self._last.get(shard)
            assert last is None or (mark is not None and mark >= last), f"the mark of shard {shard} went back from {last} to {mark}"
            if mark is not None and mark != last:
                self._last[shard] = mark
                self.moves += 1

    async def watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def watched(engine: Engine) -> AsyncIterator[Marks]:
    marks = Marks(engine)
    watching = asyncio.create_task(marks.watch())
    try:
        yield marks
        assert not watching.done(), watching.exception()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def until(condition: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - processes tell nobody
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(what) from None


async def write(engine: Engine, prefix: str, count: int = 40) -> set[str]:
    keys = [f"{prefix}-{number}" for number in range(count)]
    for first in range(0, count, 4):
        now = Clock().now()
        await engine.outbox.append(
            [ChangeEvent.of(Ref("t", ("n",), key), now, Kind.WRITE, first_at=now) for key in keys[first : first + 4]]
        )
    return set(keys)


@pytest.fixture(params=["sqlite", "cql"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    settings: CqlSettings | None = None
    if request.param == "cql":
        settings = cql.settings(KEYSPACE, shards=1)
    storage = Storage(tmp_path, settings)
    engine = await storage.open()
    await engine.migrate()
    await engine.aclose()
    yield storage
    if settings is not None:
        cql.drop(KEYSPACE)


@pytest.mark.parametrize("stage", ["publish", "mark"])
async def test_r4_a_relay_that_was_frozen_past_its_lease_moves_no_mark_back_and_loses_nothing(storage: Storage, stage: str) -> None:
    """Two relays, one lease: round after round its owner freezes, the other takes over, and the frozen one goes on."""
    place = Place(storage.folder, "relay")
    context, names = forking(), ("one", "two")
    relays = {"one": start(context, place, "one", freezing.relay, "one", storage)}

    def published(*some: str) -> set[str]:
        return {key for name in some for key in storage.published(name)}

    engine = await storage.open()
    try:
        async with watched(engine) as marks:
            written = await write(engine, "before")
            await until(lambda: published("one") >= written, "what was written first was not published")
            relays["two"] = start(context, place, "two", freezing.relay, "two", storage)
            for turn in range(ROUNDS):
                frozen, other = names[turn % 2], names[1 - turn % 2]
                during, _ = await asyncio.gather(write(engine, f"during{turn}", 200), asyncio.to_thread(relays[frozen].freeze_in, stage))
                meanwhile = await write(engine, f"frozen{turn}")
                await until(partial(subset, meanwhile, partial(published, other)), f"{other} did not take over")
                relays[frozen].thaw()
                after, moves = await write(engine, f"after{turn}"), marks.moves
                await until(partial(subset, after, partial(published, *names)), "nobody publishes any more")
                await until(lambda moves=moves: marks.moves > moves + 3, "the mark does not move any more")  # type: ignore[misc] # bound on purpose
                written |= during | meanwhile | after
                assert published(*names) == written
    finally:
        for victim in relays.values():
            victim.kill_after(0)
        await engine.aclose()


def subset(some: set[str], of: Callable[[], set[str]]) -> bool:
    return some <= of()
