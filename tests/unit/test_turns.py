"""How many searches are under way, and what becomes of those that come later."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from syncline_contracts.errors import IndexUnavailable, Overloaded
from syncline_store import Store
from syncline_store.document import Write
from syncline_store.engines.protocol import WriteOutcome
from syncline_store.testing import WordEmbedder, open_test_store
from syncline_store.turns import Turns

NOTES = ("notes",)
LONG = 60.0
SHORT = 0.05


class HangingEmbedder(WordEmbedder):
    """Documents are embedded; a query never is."""

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        await asyncio.Event().wait()
        return await super().embed_query(text)


async def until(turns: Turns, waiting: int) -> None:
    async with asyncio.timeout(10):
        while turns.waiting != waiting:  # noqa: ASYNC110 - a number tells of no change
            await asyncio.sleep(0)


async def test_so_many_at_once_and_the_others_in_the_order_of_asking() -> None:
    turns, order = Turns("searches", "setting", 2, LONG), []
    may_end = asyncio.Event()

    async def ask(number: int) -> None:
        async with turns:
            order.append(number)
            await may_end.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(ask(number))
        await until(turns, 3)
        assert (order, turns.under_way) == ([0, 1], 2)
        may_end.set()
    assert order == [0, 1, 2, 3, 4]
    assert (turns.under_way, turns.waiting) == (0, 0)


async def test_who_waits_too_long_is_told_and_leaves_the_turns_as_they_were() -> None:
    turns = Turns("searches", "searches_at_once", 1, SHORT)
    async with turns:
        with pytest.raises(Overloaded, match="searches_at_once"):
            async with turns:
                pytest.fail("there was no turn")
        assert (turns.under_way, turns.waiting) == (1, 0)
    async with turns:
        assert turns.under_way == 1


async def test_who_gives_up_waiting_takes_no_turn() -> None:
    turns = Turns("searches", "setting", 1, LONG)

    async def ask() -> None:
        async with turns:
            return

    async with turns:
        waiting = asyncio.create_task(ask())
        await until(turns, 1)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert turns.waiting == 0
    async with turns:
        assert turns.under_way == 1


@pytest.fixture
async def full() -> AsyncIterator[Store]:
    """A store all of whose turns are taken."""
    async with open_test_store(searches_at_once=1, search_deadline=SHORT) as store, store._turns:
        yield store


async def test_searches_are_refused_while_all_turns_are_taken_and_the_rest_goes_on(full: Store) -> None:
    acme = full.tenant("acme")
    await acme.put(NOTES, "n1", {"text": "the cat"})
    with pytest.raises(Overloaded):
        await acme.search(query="cat")
    assert await acme.get(NOTES, "n1") is not None
    (ended,) = [each for each in full.metrics().operations if each.operation == "search"]
    assert (ended.outcome, ended.count) == ("Overloaded", 1)


async def test_a_search_whose_part_hangs_ends_at_its_deadline() -> None:
    async with open_test_store(embedder=HangingEmbedder(), search_deadline=SHORT) as store:
        acme = store.tenant("acme")
        await acme.put(NOTES, "n1", {"text": "the cat"})
        with pytest.raises(IndexUnavailable, match="search_deadline"):
            await acme.search(query="cat")
        (hit,) = await acme.search(query="cat", fallback=True)
        assert hit.key == "n1"
        assert store.metrics().searches_under_way == 0


async def test_however_many_put_at_once_the_storage_is_given_one_group_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_test_store(indexing="relay") as store:
        documents = store.parts.engine.documents
        inner, under_way, most = documents.write, 0, 0

        async def write(writes: Sequence[Write]) -> Sequence[WriteOutcome]:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            try:
                assert len(writes) <= store.parts.settings.group_commit.max_items
                return await inner(writes)
            finally:
                under_way -= 1

        monkeypatch.setattr(store._writing.writer._commits, "_write", write)
        acme = store.tenant("acme")
        await asyncio.gather(*(acme.put(NOTES, f"n{number}", {}) for number in range(500)))
        assert most == documents.grouping.at_once
        assert await acme.count() == 500
