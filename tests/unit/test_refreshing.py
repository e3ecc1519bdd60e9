"""A document that is read lives on: as long as its put said, however often, and never against a later write."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER, Clock
from syncline_store import Document, Put, Store
from syncline_store.document import Row, content_hash
from syncline_store.limits import MAX_TTL
from syncline_store.refreshing import SECOND, is_due, life, refreshed, renewed, since
from syncline_store.testing import open_test_store
from tests.parts.clock import START, ManualClock

NOTES = ("notes",)


@pytest.fixture
def now() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(now: ManualClock) -> AsyncIterator[Store]:
    async with open_test_store(clock=Clock(now=now)) as store:
        yield store


async def read(store: Store, key: str = "n1") -> Document:
    found = await store.tenant("acme").get(NOTES, key)
    assert found is not None
    return found


async def ends(store: Store, now: ManualClock) -> float:
    """Seconds from now."""
    document = await read(store)
    assert document.expires_at is not None
    return document.expires_at.timestamp() - now() / SECOND


# ---------------------------------------------------------------------- the arithmetic


@given(st.integers(1, 50_000), st.lists(st.floats(0.0, 0.99), max_size=50))
def test_a_life_is_known_however_often_it_was_renewed(seconds: int, waits: list[float]) -> None:
    revision = now = START + 17
    expires = revision + seconds * SECOND
    for part in waits:
        now = max(now, now + round((expires - now) * part))
        assert life(revision, expires) == seconds
        expires = renewed(revision, seconds, now)
        assert abs(expires - now - seconds * SECOND) <= SECOND // 2
    assert life(revision, expires) == seconds


@given(st.integers(50_000, MAX_TTL))
def test_a_long_life_is_known_nearly_and_does_not_drift(seconds: int) -> None:
    once = life(START, renewed(START, seconds, START + 12_345_678))
    assert abs(once - seconds) <= seconds / 50_000
    assert life(START, renewed(START, once, START + 98_765_432)) == once


@given(st.integers(1, 10**15))
def test_any_end_has_some_life(span: int) -> None:
    assert 1 <= life(START, START + span) <= (span // SECOND + 1) * 1.0001 + 1


@pytest.mark.parametrize(
    ("gone", "guarded", "expected"),
    [
        (0, False, False),
        (59, False, False),
        (60, False, True),
        (599, False, True),
        (600, False, False),
        (60, True, True),
        (541, True, False),
    ],
)
def test_a_tenth_must_be_gone_and_with_servers_a_minute_left(gone: int, guarded: bool, expected: bool) -> None:  # noqa: FBT001 - a table
    assert is_due(START, START + 600 * SECOND, START + gone * SECOND, guarded=guarded) is expected
    assert not is_due(START, NEVER, START + gone * SECOND, guarded=guarded)


@pytest.mark.parametrize("skew", [-900_001, -100_000, -30, 30, 100_000, 700_000, 3_000_001])
def test_what_was_written_on_a_condition_is_refreshed_as_long_as_it_was_put(skew: int) -> None:
    """Its revision is the server's, by the server's clock."""
    event = ChangeEvent.of(Ref("acme", NOTES, "n1"), START + skew, Kind.WRITE, first_at=START)
    row = Row(event.ref, event.revision, "{}", content_hash("{}"), event.id, False, "", START + 600 * SECOND, START, START)  # noqa: FBT003 - a row
    for _ in range(3):
        now = row.expires_at - 300 * SECOND
        write = refreshed(row, now, guarded=True)
        assert write is not None
        assert abs(write.event.expires_at - now - 600 * SECOND) <= SECOND // 2
        row = row._replace(expires_at=write.event.expires_at)


def test_rows_whose_life_counted_from_the_revision_keep_it() -> None:
    expires = START + 30 + 600 * SECOND
    assert life(since(START + 30, START, expires), expires) == 600


# ---------------------------------------------------------------------- documents


async def test_a_refresh_changes_the_end_and_nothing_else(store: Store, now: ManualClock) -> None:
    notes = store.tenant("acme")
    await notes.put(NOTES, "n1", {"text": "a cat"}, ttl=60)
    before = await read(store)
    now.forward(30)
    assert await notes.refresh([before]) == 1
    after = await read(store)
    assert await ends(store, now) == pytest.approx(60, abs=0.5)
    assert (after.value, after.revision) == (before.value, before.revision)
    assert (after.created_at, after.updated_at) == (before.created_at, before.updated_at)
    assert await notes.refresh([after]) == 0
    now.forward(45)
    assert [hit.key for hit in await notes.search(NOTES, query="cat")] == ["n1"]
    assert await store.sweep() == 0
    assert await notes.refresh([await read(store)]) == 1
    now.forward(45)
    assert [hit.key for hit in await notes.search(NOTES, query="cat")] == ["n1"]
    now.forward(16)
    assert await notes.search(NOTES, query="cat") == []
    assert await notes.get(NOTES, "n1") is None
    assert await store.sweep() == 1


async def test_a_document_without_a_life_and_one_that_is_fresh_are_left(store: Store) -> None:
    notes = store.tenant("acme")
    await notes.put(NOTES, "n1", {})
    await notes.put(NOTES, "n2", {}, ttl=60)
    assert await notes.refresh([await read(store), await read(store, "n2")]) == 0


async def test_a_refresh_never_overwrites_a_later_put(store: Store, now: ManualClock) -> None:
    notes = store.tenant("acme")
    await notes.put(NOTES, "n1", {"v": 1}, ttl=60)
    now.forward(30)
    old = await read(store)
    writing = store.parts.engine.documents.write
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def late(writes: object) -> object:
        """The refresh has read its row, and is overtaken."""
        begun.set()
        await go_on.wait()
        return await writing(writes)  # type: ignore[arg-type] # handed on

    store._writer._commits._write = late  # type: ignore[assignment] # a stand-in for the storage's delay
    refreshing = asyncio.create_task(notes.refresh([old]))
    await begun.wait()
    store._writer._commits._write = writing
    (write,) = await store._writer.prepare([notes._draft(Put(NOTES, "n1", {"v": 2}))])
    await writing([write])
    go_on.set()
    await refreshing
    document = await read(store)
    assert (document.value, document.expires_at) == ({"v": 2}, None)


async def test_a_refresh_never_brings_back_what_was_deleted_or_expired(store: Store, now: ManualClock) -> None:
    notes = store.tenant("acme")
    for key in ("n1", "n2"):
        await notes.put(NOTES, key, {"text": "a cat"}, ttl=60)
    now.forward(30)
    deleted, expired = await read(store), await read(store, "n2")
    await notes.delete(NOTES, "n1")
    assert await notes.refresh([deleted]) == 0
    now.forward(31)
    assert await notes.refresh([expired]) == 0
    assert await notes.count() == 0
    assert await notes.search(NOTES, query="cat") == []
