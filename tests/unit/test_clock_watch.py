"""The clocks while a store is open: writes are refused while they are too far apart (architecture, section 3)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from syncline_contracts.errors import ClockSkew, StorageUnavailable, SynclineError
from syncline_contracts.revision import Clock
from syncline_store import Store, skew
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.testing import open_test_store
from tests.parts.clock import SECOND

NOTES = ("notes",)
DEADLINE = 5.0


class Elsewhere:
    """An engine on a server with a clock of its own, which a test moves or makes silent."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.off = 0
        self.silent = False
        self.looks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def clock(self) -> int:
        self.looks += 1
        if self.silent:
            raise StorageUnavailable("no answer")
        return Clock().now() + self.off


@pytest.fixture
async def engine() -> Elsewhere:
    return Elsewhere(await open_sqlite(":memory:", clock=Clock()))


@pytest.fixture
async def store(engine: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setattr(skew, "INTERVAL", 0.01)
    async with open_test_store(engine=engine, indexing="relay") as store:
        yield store


async def put(store: Store) -> SynclineError | None:
    try:
        await store.tenant("acme").put(NOTES, "n1", {"text": "hello"})
    except SynclineError as error:
        return error
    return None


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await condition():  # noqa: ASYNC110 - a look at the clock sets no event
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("off", [60 * SECOND, -60 * SECOND], ids=["ahead", "behind"])
async def test_writes_are_refused_while_the_clocks_are_apart(store: Store, engine: Elsewhere, off: int) -> None:
    assert await put(store) is None
    engine.off = off

    async def refused() -> bool:
        return isinstance(await put(store), ClockSkew)

    await until(refused)
    assert await store.tenant("acme").get(NOTES, "n1") is not None, "reading goes on"
    (result,) = await store.tenant("acme").put_many([(NOTES, "n2", {})])
    assert isinstance(result, ClockSkew)
    engine.off = 0

    async def taken() -> bool:
        return await put(store) is None

    await until(taken)


async def test_a_storage_that_does_not_tell_its_time_changes_nothing(store: Store, engine: Elsewhere) -> None:
    assert await put(store) is None
    engine.silent, seen = True, engine.looks

    async def asked() -> bool:
        return engine.looks > seen + 2

    await until(asked)
    assert await put(store) is None


async def test_nobody_looks_once_the_store_is_closed(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skew, "INTERVAL", 0.01)
    async with open_test_store(engine=engine, indexing="relay") as store:
        assert await put(store) is None
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "syncline-clock"]
