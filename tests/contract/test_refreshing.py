"""Refreshing on every engine: the columns stay, the end moves, later writes win."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock, now_us
from syncline_store import Document, Store
from syncline_store.document import Row
from syncline_store.engines.protocol import Engine
from syncline_store.testing import open_test_store
from tests.contract.conftest import OpenEngine
from tests.parts.clock import SECOND, ManualClock

NOTES = ("notes",)
LIFE = 600


@pytest.fixture
async def store(open_engine: OpenEngine, now: ManualClock) -> AsyncIterator[Store]:
    """From the real time on: a server is asked for its own when the store is opened."""
    engine = await open_engine()
    now.time = now_us()
    async with open_test_store(engine=engine, clock=Clock(now=now)) as store:
        yield store


async def row(engine: Engine) -> Row:
    (found,) = await engine.documents.read([Ref("acme", NOTES, "n1")])
    assert found is not None
    return found


async def read(store: Store) -> Document:
    found = await store.tenant("acme").get(NOTES, "n1")
    assert found is not None
    return found


async def test_the_end_moves_and_every_column_stays(store: Store, now: ManualClock) -> None:
    notes = store.tenant("acme")
    await notes.put(NOTES, "n1", {"text": "old"}, ttl=LIFE)
    now.forward(5)
    await notes.put(NOTES, "n1", {"text": "a cat"}, ttl=LIFE)
    before = await row(store.parts.engine)
    for _ in range(3):
        now.forward(500)
        assert await notes.refresh([await read(store)]) == 1
        after = await row(store.parts.engine)
        assert after.expires_at == pytest.approx(now() + LIFE * SECOND, abs=SECOND / 2)
        kept = [(row.value, row.revision, row.write_id, row.created_at, row.updated_at, row.index_spec) for row in (before, after)]
        assert kept[0] == kept[1]
        assert before.created_at < before.updated_at
        assert [hit.key for hit in await notes.search(NOTES, query="cat")] == ["n1"]
    now.forward(LIFE + 1)
    assert await notes.get(NOTES, "n1") is None
    assert await notes.search(NOTES, query="cat") == []


async def test_readers_and_writers_at_once_leave_the_last_write(store: Store, now: ManualClock) -> None:
    notes = store.tenant("acme")
    await notes.put(NOTES, "n1", {"n": -1}, ttl=10)
    for number in range(10):
        now.forward(2)
        old = await read(store)
        await asyncio.gather(*[notes.refresh([old]) for _ in range(3)], notes.put(NOTES, "n1", {"n": number}, ttl=10), notes.refresh([old]))
        assert (await read(store)).value == {"n": number}
    old = await read(store)
    now.forward(2)
    await asyncio.gather(notes.refresh([old]), notes.delete(NOTES, "n1"), notes.refresh([old]))
    assert await notes.get(NOTES, "n1") is None
