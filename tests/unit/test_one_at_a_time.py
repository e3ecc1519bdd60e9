"""Calls of the indexer that have a document in common wait for each other, and no others do."""

import asyncio
from collections.abc import Sequence

import pytest

from syncline_contracts.errors import IndexUnavailable
from syncline_contracts.event import ChangeEvent
from syncline_contracts.identity import Ref
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.one_at_a_time import OneAtATime
from syncline_store.indexing.outcome import Done, Handled, Outcome
from tests.parts.clock import START
from tests.parts.writes import write


class Held:
    """Ends no call until it is let; then refuses what is called `bad`."""

    def __init__(self) -> None:
        self.begun: list[list[str]] = []
        self.let = asyncio.Event()

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        keys = [delivery.event.key for delivery in deliveries]
        self.begun.append(keys)
        await self.let.wait()
        if "bad" in keys:
            raise IndexUnavailable("not now")
        return [Handled(delivery.event.ref, delivery.event.revision, Done.EMBEDDED) for delivery in deliveries]


def event(key: str) -> ChangeEvent:
    return write(Ref("acme", ("notes",), key), START).event


def calls(indexer: OneAtATime, *batches: str) -> list[asyncio.Task[list[Outcome]]]:
    """A task for each, begun in this order."""
    return [asyncio.create_task(indexer.index([Delivery(event(key), "test") for key in batch.split()])) for batch in batches]


async def begun(*tasks: asyncio.Task[list[Outcome]]) -> None:
    """Each has run as far as it can by itself: a task that is created later runs later."""
    for _ in range(3):
        await asyncio.create_task(asyncio.sleep(0))
    assert not any(task.done() for task in tasks)


async def test_calls_with_a_common_document_go_one_after_the_other_and_others_beside_them() -> None:
    held = Held()
    tasks = calls(OneAtATime(held), "n1 n2", "n2 n3", "n3", "n4")
    await begun(*tasks)
    assert held.begun == [["n1", "n2"], ["n3"], ["n4"]], "who waits holds nothing that others want"
    held.let.set()
    outcomes = await asyncio.gather(*tasks)
    assert held.begun[3:] == [["n2", "n3"]]
    assert [[outcome.ref.key for outcome in found] for found in outcomes] == [["n1", "n2"], ["n2", "n3"], ["n3"], ["n4"]]


@pytest.mark.parametrize("how", ["fails", "is cancelled"])
async def test_a_call_that_ends_badly_lets_the_next_one_go(how: str) -> None:
    held = Held()
    first, waiting = calls(OneAtATime(held), "bad n1", "n1")
    await begun(first, waiting)
    if how == "is cancelled":
        first.cancel()
    held.let.set()
    with pytest.raises((IndexUnavailable, asyncio.CancelledError)):
        await first
    assert [outcome.ref.key for outcome in await waiting] == ["n1"]


async def test_a_call_that_is_cancelled_while_it_waits_leaves_nothing_behind() -> None:
    held = Held()
    indexer = OneAtATime(held)
    first, waiting = calls(indexer, "n1", "n1 n2")
    await begun(first, waiting)
    waiting.cancel()
    held.let.set()
    await first
    (again,) = calls(indexer, "n1 n2")
    assert len(await again) == 2
