"""The façade for scripts: the same calls, waited for; from any thread but the store's own."""

import asyncio
import inspect
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from syncline_contracts.errors import InvalidDocument, SynclineError, Unavailable
from syncline_store import Put, TenantView
from syncline_store.sync import SyncStore, SyncTenantView, open_store
from syncline_store.testing import WordEmbedder

NOTES = ("notes",)


@pytest.fixture
def store() -> Iterator[SyncStore]:
    with open_store("sqlite:///:memory:", index=":memory:", embedder=WordEmbedder()) as store:
        yield store


def test_every_call_has_its_twin() -> None:
    calls = {name for name, member in vars(TenantView).items() if not name.startswith("_") and inspect.isfunction(member)}
    assert calls <= {name for name in dir(SyncTenantView) if not name.startswith("_")}


def test_a_script_writes_reads_and_searches(store: SyncStore) -> None:
    acme = store.tenant("acme")
    revision = acme.put(NOTES, "n1", {"text": "the cat sat"})
    acme.put(NOTES, "n2", {"text": "dogs bark"})
    found = acme.get(NOTES, "n1")
    assert found is not None
    assert found.revision == revision
    assert acme.tenant == "acme"
    assert [hit.key for hit in acme.search(NOTES, query="cat", limit=1)] == ["n1"]
    acme.wait_until_indexed((NOTES, "n1"), revision)
    acme.delete(NOTES, "n1")
    assert [document.key for document in acme.documents()] == ["n2"]
    assert acme.count() == 1
    assert [json.loads(line).get("key") for line in acme.export(NOTES)] == [None, "n2"]
    assert acme.list_namespaces().items == [NOTES]
    assert store.tenant("other").count() == 0


def test_many_are_brought_over_in_chunks(store: SyncStore) -> None:
    acme = store.tenant("acme")
    thread = threading.current_thread()
    consumed_in = set()

    def puts() -> Iterator[Put]:
        for number in range(1_500):
            consumed_in.add(threading.current_thread())
            yield Put(NOTES, f"n{number:04}" if number != 7 else "", {"n": number}, index=False)

    results = acme.put_many(puts())
    assert consumed_in == {thread}
    assert [number for number, result in enumerate(results) if isinstance(result, SynclineError)] == [7]
    assert [document.key for document in acme.documents(NOTES)] == [f"n{number:04}" for number in range(1_500) if number != 7]


def test_a_listing_that_is_not_read_to_its_end_is_closed(store: SyncStore) -> None:
    acme = store.tenant("acme")
    acme.put_many(Put(NOTES, f"n{number:04}", {"n": number}, index=False) for number in range(600))
    documents = acme.documents(NOTES)
    assert next(documents).key == "n0000"
    documents.close()  # type: ignore[attr-defined] # a generator
    assert acme.count() == 600


def test_errors_arrive_as_they_are(store: SyncStore) -> None:
    with pytest.raises(InvalidDocument, match="key"):
        store.tenant("acme").put(NOTES, "", {})


def test_many_threads_share_a_store(store: SyncStore) -> None:
    acme = store.tenant("acme")
    threads = [threading.Thread(target=acme.put, args=(NOTES, f"n{number}", {"n": number})) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert acme.count() == 16


def test_the_loop_cannot_wait_for_itself(store: SyncStore) -> None:
    async def inside() -> Any:
        return store.tenant("acme").get(NOTES, "n1")

    with pytest.raises(asyncio.InvalidStateError, match="async twin"):
        store.home.wait(inside())


async def test_any_other_loop_may_wait(store: SyncStore) -> None:
    assert store.tenant("acme").get(NOTES, "n1") is None


def test_a_closed_store_says_so_and_leaves_no_thread() -> None:
    before = threading.active_count()
    store = open_store("sqlite:///:memory:", index=":memory:", embedder=WordEmbedder())
    acme = store.tenant("acme")
    store.close()
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        acme.get(NOTES, "n1")
    assert threading.active_count() == before


def test_what_cannot_be_opened_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(SynclineError):
        open_store("sqlite:////proc/nowhere/x.db")
    assert threading.active_count() == before
