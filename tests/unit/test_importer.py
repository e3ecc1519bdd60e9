"""What an import writes, leaves alone and leaves out, by content, index settings and life."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from syncline_contracts.revision import NEVER, Clock
from syncline_store import Store
from syncline_store.document import moment
from syncline_store.settings import LimitSettings
from syncline_store.testing import open_test_store
from syncline_sync_worker.imports import Item, Problem
from syncline_sync_worker.imports.importer import Imported, Importer
from tests.parts.clock import SECOND, ManualClock

NOTES = ("notes",)
HOUR = 3600 * SECOND
Counts = tuple[int, int, int]


@pytest.fixture
def time() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(time: ManualClock) -> AsyncIterator[Store]:
    async with open_test_store(clock=Clock(now=time), indexing="relay") as store:
        yield store


def note(key: str, text: str = "cat", **more: Any) -> Item:
    return Item(NOTES, key, {"text": text}, f"{key}.json", **more)


async def imported(store: Store, *items: Item | Problem) -> Imported:
    importer = Importer(store.tenant("acme"), store.parts.engine, tenant="acme", now=store.parts.clock.now, limits=LimitSettings())
    return await importer.run(iter(items), stop=asyncio.Event(), advance=lambda _: None)


def counts(found: Imported) -> Counts:
    return found.written, found.unchanged, found.expired


async def test_what_is_stored_already_is_not_written(store: Store) -> None:
    assert counts(await imported(store, note("n1"), note("n2"))) == (2, 0, 0)
    assert counts(await imported(store, note("n1"), note("n2", "dog"), note("n3"))) == (2, 1, 0)
    assert counts(await imported(store, note("n1", index=("text",)))) == (1, 0, 0), "another index setting is another document"


async def test_a_life_goes_on_where_it_was(store: Store, time: ManualClock) -> None:
    ends = time.time + HOUR
    assert counts(await imported(store, note("n1", expires_at=ends))) == (1, 0, 0)
    found = await store.tenant("acme").get(NOTES, "n1")
    assert found is not None
    assert found.expires_at is not None
    assert abs(found.expires_at - moment(ends)) <= timedelta(seconds=1)
    assert counts(await imported(store, note("n1", expires_at=ends))) == (0, 1, 0)
    assert counts(await imported(store, note("n1", expires_at=ends + HOUR))) == (1, 0, 0)


async def test_what_lives_for_ever_does_so_where_it_had_an_end(store: Store) -> None:
    await store.tenant("acme").put(NOTES, "n1", {"text": "cat"}, ttl=60)
    assert counts(await imported(store, note("n1"))) == (1, 0, 0)
    found = await store.tenant("acme").get(NOTES, "n1")
    assert found is not None
    assert found.expires_at is None


async def test_what_was_exported_without_an_end_has_none_in_a_namespace_that_gives_one(store: Store) -> None:
    acme = store.tenant("acme")
    await acme.configure(NOTES, ttl=60)
    assert counts(await imported(store, note("exported", expires_at=NEVER), note("plain"))) == (2, 0, 0)
    exported, plain = await acme.get_many([(NOTES, "exported"), (NOTES, "plain")])
    assert exported is not None
    assert plain is not None
    assert exported.expires_at is None
    assert plain.expires_at is not None
    assert counts(await imported(store, note("exported", expires_at=NEVER))) == (0, 1, 0)


async def test_what_has_expired_is_left_out(store: Store, time: ManualClock) -> None:
    assert counts(await imported(store, note("n1", expires_at=time.time), note("n2"))) == (1, 0, 1)
    assert await store.tenant("acme").get(NOTES, "n1") is None


async def test_what_cannot_be_a_document_is_told_and_the_rest_written(store: Store) -> None:
    found = await imported(store, note(""), Problem("b.json", "is not JSON"), note("n1"))
    assert (found.written, found.failed, [problem.origin for problem in found.problems]) == (1, 2, [".json", "b.json"])
