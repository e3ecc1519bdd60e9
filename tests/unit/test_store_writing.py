"""Writes whose outcome is unknown, refused writes, storage that does not answer (architecture, invariant 2)."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from syncline_contracts.errors import InvalidDocument, StorageUnavailable, WriteOutcomeUnknown
from syncline_contracts.revision import Clock
from syncline_store import Store
from syncline_store.document import Write
from syncline_store.engines.protocol import Refused, Stored, Unknown, WriteOutcome
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.testing import open_test_store
from tests.parts.clock import ManualClock
from tests.parts.outbox import deliveries
from tests.parts.through import Through

NOTES = ("notes",)


class Documents:
    """The engine's documents, whose answers to writes can be taken away. `lands`: whether the write happens all the same."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.written: list[Write] = []
        self.answers: list[WriteOutcome | Exception] = []
        self.lands = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteOutcome]:
        self.written += writes
        answer = self.answers.pop(0) if self.answers else None
        if answer is None or self.lands:
            await self._inner.write(writes)
        if isinstance(answer, Exception):
            raise answer
        return [answer or Stored() for _ in writes]


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    clock = Clock()
    sqlite = await open_sqlite(":memory:", clock=clock)
    engine: Any = Through(sqlite, documents=Documents(sqlite.documents))
    async with open_test_store(clock=clock, engine=engine, indexing="relay", write_deadline=0.5) as store:
        yield store


@pytest.fixture
def documents(store: Store) -> Documents:
    documents: Any = store.parts.engine.documents
    assert isinstance(documents, Documents)
    return documents


@pytest.mark.parametrize("lands", [True, False])
async def test_a_write_of_unknown_outcome_is_repeated_as_it_is(store: Store, documents: Documents, *, lands: bool) -> None:
    documents.lands = lands
    documents.answers = [Unknown("the connection broke"), Unknown("the connection broke")]
    revision = await store.tenant("acme").put(NOTES, "n1", {"text": "hello"})
    assert len(documents.written) == 3
    assert len(set(documents.written)) == 1, "revision and event id are the same each time"
    document = await store.tenant("acme").get(NOTES, "n1")
    assert document is not None
    assert document.revision == revision == documents.written[0].revision


async def test_a_write_that_stays_unknown_says_so_with_its_revision(store: Store, documents: Documents) -> None:
    documents.answers = [Unknown("no answer")] * 100
    with pytest.raises(WriteOutcomeUnknown, match="no answer") as unknown:
        await store.tenant("acme").put(NOTES, "n1", {"text": "hello"})
    assert unknown.value.revision == documents.written[0].revision
    assert {write.event.id for write in documents.written} == {documents.written[0].event.id}
    assert len(documents.written) > 2


async def test_a_later_put_wins_over_one_of_unknown_outcome(store: Store, documents: Documents) -> None:
    documents.answers = [Unknown("no answer")] * 100
    with pytest.raises(WriteOutcomeUnknown):
        await store.tenant("acme").put(NOTES, "n1", {"n": 1})
    documents.answers = []
    await store.tenant("acme").put(NOTES, "n1", {"n": 2})
    await store.parts.engine.documents.write([documents.written[0]])
    document = await store.tenant("acme").get(NOTES, "n1")
    assert document is not None
    assert document.value == {"n": 2}


async def test_a_refused_write_raises_why_and_is_not_repeated(store: Store, documents: Documents) -> None:
    documents.lands = False
    documents.answers = [Refused(InvalidDocument("value", "is too large for this storage"))]
    with pytest.raises(InvalidDocument, match="too large"):
        await store.tenant("acme").put(NOTES, "n1", {})
    assert len(documents.written) == 1


async def test_storage_that_does_not_answer_is_told_at_once(store: Store, documents: Documents) -> None:
    documents.lands = False
    documents.answers = [StorageUnavailable("the disk is full")]
    with pytest.raises(StorageUnavailable, match="full"):
        await store.tenant("acme").delete(NOTES, "n1")
    assert await store.tenant("acme").put(NOTES, "n1", {})


async def test_one_unknown_write_among_many_is_only_its_own_result(store: Store, documents: Documents) -> None:
    await store.tenant("acme").put(NOTES, "before", {})
    documents.lands = False
    documents.answers = [StorageUnavailable("the disk is full")]
    results = await store.tenant("acme").put_many([(NOTES, f"{n}", {"n": n}) for n in range(200)])
    failed = [result for result in results if isinstance(result, StorageUnavailable)]
    stored = [f"{n}" for n, result in enumerate(results) if isinstance(result, int)]
    assert failed
    assert stored
    assert len(failed) + len(stored) == 200
    assert {document.key async for document in store.tenant("acme").documents()} == {"before", *stored}


async def test_row_and_event_say_the_same(store: Store, documents: Documents) -> None:
    acme = store.tenant("acme")
    put = await acme.put(NOTES, "n1", {"text": "x"}, ttl=90)
    deleted = await acme.delete(NOTES, "n1")
    (first, second) = documents.written
    assert (first.revision, first.ttl) == (put, 90)
    assert first.event.expires_at == first.event.first_at + 90_000_000
    assert (second.revision, second.value, second.ttl) == (deleted, None, 7 * 24 * 3600)
    assert [delivery.event.revision for delivery in await deliveries(store.parts.engine)] == [put, deleted]
    (row,) = await store.parts.engine.documents.read([first.ref])
    assert row is not None
    assert row.write_id == second.event.id


async def test_a_namespace_is_put_into_the_directory_once(store: Store) -> None:
    asked: list[tuple[str, ...]] = []
    namespaces: Any = store.parts.engine.namespaces
    ensure = namespaces.ensure

    async def counting(tenant: str, namespace: tuple[str, ...], wanted: Any) -> Any:
        asked.append(namespace)
        return await ensure(tenant, namespace, wanted)

    store._directory._namespaces = type("Counting", (), {"ensure": staticmethod(counting)})()  # type: ignore[assignment] # counts
    await store.tenant("acme").put_many([(("a",), f"{n}", {}) for n in range(600)])
    await store.tenant("acme").put(("b",), "1", {})
    assert asked == [("a",), ("b",)]
    assert list((await store.tenant("acme").list_namespaces()).items) == [("a",), ("b",)]


async def test_who_writes_faster_than_the_clock_ticks_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    time, slept = ManualClock(), []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.forward(seconds)

    async with open_test_store(clock=Clock(now=time), indexing="relay") as store:
        acme = store.tenant("acme")
        first = await acme.put(NOTES, "n1", {})
        time.forward(-3)
        monkeypatch.setattr("syncline_store.writing.asyncio.sleep", sleep)
        second = await acme.put(NOTES, "n1", {})
        await acme.put(NOTES, "n1", {})
        assert slept == [pytest.approx(2, abs=0.01)] + [pytest.approx(0, abs=0.001)] * (len(slept) - 1)
        assert second > first
