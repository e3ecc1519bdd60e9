"""Lives on every engine: who sets them, what is over is nowhere, and refreshing: columns stay, the end moves, later writes win."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator

import pytest

from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock, now_us
from syncline_store import Document, Put, Store
from syncline_store.conditional import Applied, Refused
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


async def lives(store: Store, now: ManualClock, key: str) -> float | None:
    """Seconds from now, to the second; None for ever."""
    found = await store.tenant("acme").get(NOTES, key)
    assert found is not None
    return None if found.expires_at is None else round(found.expires_at.timestamp() - now() / SECOND)


async def test_a_namespace_gives_a_life_to_what_has_none_of_its_own(store: Store, now: ManualClock) -> None:
    acme = store.tenant("acme")
    assert (await acme.configure(NOTES, ttl=LIFE)).ttl == LIFE
    await acme.put(NOTES, "default", {})
    await acme.put(NOTES, "own", {}, ttl=60)
    await acme.put(NOTES, "ever", {}, ttl=math.inf)
    await acme.put_many([(NOTES, "many", {}), Put(NOTES, "many ever", {}, ttl=math.inf)])
    assert isinstance(absent := await acme.put_if_absent(NOTES, "if", {}), Applied)
    assert [await lives(store, now, key) for key in ("default", "own", "ever", "many", "many ever", "if")] == [
        LIFE,
        60,
        None,
        LIFE,
        None,
        LIFE,
    ]
    assert isinstance(await acme.update_if(NOTES, "if", {}, revision=absent.revision, ttl=math.inf), Applied)
    assert await lives(store, now, "if") is None
    await acme.put(("others",), "n1", {})
    assert (found := await acme.get(("others",), "n1")) is not None
    assert found.expires_at is None
    await acme.put(NOTES, "ever", {})
    now.forward(LIFE + 1)
    assert await acme.get(NOTES, "ever") is None
    assert await acme.get(NOTES, "many ever") is not None


async def test_another_process_hears_of_a_namespaces_life_and_it_stays(
    store: Store, now: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    await store.tenant("acme").configure(NOTES, fields=["text"], ttl=LIFE)
    caplog.set_level(logging.WARNING)
    async with open_test_store(engine=store.parts.engine, clock=Clock(now=now)) as other:
        acme = other.tenant("acme")
        await acme.put(NOTES, "n1", {"text": "a cat"})
        assert await lives(other, now, "n1") == LIFE
        assert (await acme.configure(NOTES, fields=["text"], ttl=60)).ttl == LIFE
        assert "keeps the settings of its first writer" in caplog.text
        assert [hit.key for hit in await acme.search(NOTES, query="cat", filter={"text": "a cat"})] == ["n1"]


async def test_what_is_over_is_nowhere(store: Store, now: ManualClock) -> None:
    acme = store.tenant("acme")
    await acme.put(NOTES, "n1", {"text": "a cat"}, ttl=LIFE)
    await acme.put(NOTES, "n2", {"text": "a cat"}, ttl=LIFE)
    old = await read(store)
    now.forward(LIFE)
    assert await acme.get(NOTES, "n1") is None
    assert await acme.get_many([(NOTES, "n1"), (NOTES, "n2")]) == [None, None]
    assert (await acme.list(NOTES)).items == []
    assert await acme.count(NOTES) == 0
    assert await acme.search(NOTES, query="cat") == []
    assert await acme.search(NOTES, filter={"text": "a cat"}) == []
    assert len([line async for line in acme.export(NOTES)]) == 1  # its header
    assert await acme.refresh([old]) == 0
    assert await acme.update_if(NOTES, "n1", {}, revision=old.revision) == Refused(None)
    assert await acme.delete_if(NOTES, "n1", revision=old.revision) == Refused(None)
    assert isinstance(await acme.put_if_absent(NOTES, "n1", {"text": "a dog"}), Applied)
    await acme.put(NOTES, "n2", {"text": "a dog"})
    assert {hit.key for hit in await acme.search(NOTES, query="dog")} == {"n1", "n2"}
    assert [document.key for document in (await acme.list(NOTES)).items] == ["n1", "n2"]
