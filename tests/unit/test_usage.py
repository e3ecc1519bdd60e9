"""How what a tenant holds is known between two counts."""

import asyncio

import pytest

from syncline_contracts.errors import StorageUnavailable
from syncline_store import usage
from syncline_store.engines.protocol import Amount
from syncline_store.testing import open_test_store
from syncline_store.usage import NOTHING, Holding

ONE = Amount(1, 10)


class Counting:
    """A storage that is counted when the test says so."""

    def __init__(self) -> None:
        self.holds = Amount(3, 30)
        self.counts = 0
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.problem: Exception | None = None

    async def count(self) -> Amount:
        self.counts += 1
        self.begun.set()
        seen = self.holds
        await self.may_end.wait()
        if self.problem is not None:
            raise self.problem
        return seen


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(usage, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def storage() -> Counting:
    return Counting()


@pytest.fixture
def holding(storage: Counting, time: list[float]) -> Holding:
    return Holding(storage.count, lambda: int(time[0] * 1e6))


async def count(holding: Holding) -> None:
    holding.count_after(0)
    await holding.settled()


async def test_nothing_is_known_before_the_first_count(holding: Holding) -> None:
    holding.reserve(ONE)
    assert holding.amount is None
    await count(holding)
    assert holding.amount == Amount(4, 40)


async def test_what_is_written_is_added_and_what_comes_to_nothing_given_back(holding: Holding) -> None:
    await count(holding)
    for written, expected in ((True, Amount(4, 40)), (False, Amount(4, 40))):
        holding.reserve(ONE)
        holding.end(ONE, written=written)
        assert holding.amount == expected
    holding.reserve(ONE)
    assert holding.amount == Amount(5, 50)


async def test_a_count_takes_its_share_of_the_time_and_no_more(holding: Holding, storage: Counting, time: list[float]) -> None:
    storage.may_end.clear()
    holding.count_after(0)
    await storage.begun.wait()
    holding.count_after(0)
    time[0] += 2
    storage.may_end.set()
    await holding.settled()
    for passed, counts in ((37.9, 1), (0.2, 2)):
        time[0] += passed
        await count(holding)
        assert storage.counts == counts


async def test_a_count_that_is_not_urgent_waits_for_its_time(holding: Holding, storage: Counting, time: list[float]) -> None:
    await count(holding)
    holding.count_after(60)
    assert not holding.is_counting
    time[0] += 60
    holding.count_after(60)
    assert holding.is_counting
    await holding.settled()


async def test_what_was_written_before_a_count_is_in_it_and_what_is_written_meanwhile_is_added(holding: Holding, storage: Counting) -> None:
    await count(holding)
    holding.reserve(ONE)
    holding.end(ONE, written=True)
    holding.reserve(ONE)
    storage.holds = Amount(4, 40)
    storage.may_end.clear()
    storage.begun.clear()
    holding.count_after(0)
    await storage.begun.wait()
    holding.end(ONE, written=True)
    assert holding.amount == Amount(5, 50)
    storage.may_end.set()
    await holding.settled()
    assert holding.amount == Amount(5, 50)


async def test_who_waits_waits_for_the_count_and_no_longer_than_told(holding: Holding, storage: Counting, time: list[float]) -> None:
    storage.may_end.clear()
    holding.count_after(0)
    await storage.begun.wait()
    time[0] += 5
    await holding.settled(within=5)
    assert holding.amount is None
    await holding.aclose()


async def test_a_count_that_fails_is_told_and_tried_again_soon(holding: Holding, storage: Counting, time: list[float]) -> None:
    await count(holding)
    time[0] += 1
    storage.problem = StorageUnavailable("it is out")
    await count(holding)
    with pytest.raises(StorageUnavailable, match="it is out"):
        holding.usage()
    assert holding.amount == Amount(3, 30)
    storage.problem = None
    time[0] += usage.AFTER_A_FAILURE
    await count(holding)
    assert holding.usage().documents == 3


async def test_a_count_under_way_ends_with_the_store(holding: Holding, storage: Counting) -> None:
    storage.may_end.clear()
    holding.count_after(0)
    await storage.begun.wait()
    await holding.aclose()
    assert not holding.is_counting
    assert holding.amount is None


async def test_a_store_that_closes_waits_for_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Counting()
    storage.may_end.clear()
    async with open_test_store(indexing="relay") as store:
        monkeypatch.setattr(store.parts.engine.documents, "amount", lambda *_: storage.count())
        asked = asyncio.create_task(store.tenant("acme").usage())
        await storage.begun.wait()
    with pytest.raises(StorageUnavailable):
        await asked


async def test_few_tenants_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "AT_MOST", 2)
    async with open_test_store(indexing="relay") as store:
        holdings = usage.Holdings(store.parts.engine.documents, store.parts.clock.now)
        first = holdings.of("a")
        assert holdings.of("a") is first
        holdings.of("b")
        holdings.of("c")
        assert holdings.of("b") is not None
        assert holdings.of("a") is not first
        assert (await holdings.usage("a")).documents == NOTHING.documents
