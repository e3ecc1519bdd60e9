"""Conditional writes whose attempts are lost, in doubt, or behind a clock (docs/protocol.md, conditional writes)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from syncline_contracts.errors import ClockSkew, StorageUnavailable, WriteOutcomeUnknown
from syncline_contracts.revision import Clock
from syncline_store import Applied, Refused, Store, Superseded
from syncline_store.document import Row, Write
from syncline_store.engines.protocol import ConditionalOutcome, Lost, Overtaken, Shadowed, Unknown
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.testing import open_test_store
from tests.parts.through import Through

NOTES = ("notes",)


class Documents:
    """The engine's documents, whose answers to conditional writes can be taken away. `lands`: whether it happens all the same."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.answers: list[ConditionalOutcome | Exception] = []
        self.lands = False
        self.tried: list[tuple[Write, Row | None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def write_if(self, write: Write, expected: Row | None) -> ConditionalOutcome:
        self.tried.append((write, expected))
        answer = self.answers.pop(0) if self.answers else None
        if answer is None or self.lands:
            outcome: ConditionalOutcome = await self._inner.write_if(write, expected)
        if isinstance(answer, Exception):
            raise answer
        return answer or outcome


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    clock = Clock()
    sqlite = await open_sqlite(":memory:", clock=clock)
    engine: Any = Through(sqlite, documents=Documents(sqlite.documents))
    async with open_test_store(clock=clock, engine=engine, indexing="relay", write_deadline=0.4) as store:
        yield store


@pytest.fixture
def documents(store: Store) -> Documents:
    documents: Any = store.parts.engine.documents
    assert isinstance(documents, Documents)
    return documents


@pytest.mark.parametrize("lands", [True, False])
async def test_what_is_in_doubt_is_repeated_as_it_is_against_the_same_row(store: Store, documents: Documents, *, lands: bool) -> None:
    documents.answers, documents.lands = [Unknown("the connection broke"), StorageUnavailable("away")], lands
    acme = store.tenant("acme")
    assert isinstance(await acme.put_if_absent(NOTES, "n1", {"n": 1}), Applied)
    assert documents.tried == [documents.tried[0]] * 3


@pytest.mark.parametrize("answers", [[Unknown("lost"), Lost(None)], [Unknown("lost")] * 20])
async def test_once_in_doubt_a_refusal_says_nothing(store: Store, documents: Documents, answers: list[ConditionalOutcome]) -> None:
    documents.answers = answers
    with pytest.raises(WriteOutcomeUnknown, match="lost"):
        await store.tenant("acme").put_if_absent(NOTES, "n1", {"n": 1})


async def test_nothing_landed_where_the_first_attempt_says_so(store: Store, documents: Documents) -> None:
    documents.answers = [StorageUnavailable("away")]
    with pytest.raises(StorageUnavailable):
        await store.tenant("acme").put_if_absent(NOTES, "n1", {"n": 1})
    assert len(documents.tried) == 1


async def test_superseded_is_not_told_as_refused(store: Store, documents: Documents) -> None:
    acme = store.tenant("acme")
    documents.answers = [Overtaken(None)]
    assert await acme.put_if_absent(NOTES, "n1", {"n": 1}) == Superseded(None)


async def test_a_lost_race_is_decided_by_the_row_that_is_there_now(store: Store, documents: Documents) -> None:
    acme = store.tenant("acme")
    documents.answers = [Lost(None)]
    assert isinstance(await acme.put_if_absent(NOTES, "n1", {"n": 1}), Applied)
    first, second = (write.event.id for write, _ in documents.tried)
    assert first != second, "each row that is expected has an intent of its own"
    assert isinstance(await acme.put_if_absent(NOTES, "n1", {"n": 2}), Refused)


async def test_a_row_ahead_of_the_servers_is_waited_for_and_named(store: Store, documents: Documents) -> None:
    acme = store.tenant("acme")
    documents.answers = [Shadowed("it is ahead")]
    assert isinstance(await acme.put_if_absent(NOTES, "n1", {"n": 1}), Applied)
    documents.answers = [Shadowed("it is ahead")] * 20
    with pytest.raises(ClockSkew, match="it is ahead"):
        await acme.put_if_absent(NOTES, "n2", {"n": 1})
