"""Group commit: who shares a write with whom, and what each caller is told."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline_contracts.errors import StorageUnavailable, Unavailable
from syncline_store.group_commit import GroupCommit

DEADLINE = 5.0


class Storage:
    """Writes when it is let; keeps the groups it was given."""

    def __init__(self, *, open_: bool = True, limit: int = 1) -> None:
        self.limit = limit
        self.most = 0
        self.groups: list[list[str]] = []
        self.gate = asyncio.Event()
        self.started = asyncio.Event()
        self.at_once = 0
        self.error: BaseException | None = None
        if open_:
            self.gate.set()

    async def write(self, items: Sequence[str]) -> Sequence[str]:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        assert self.at_once <= self.limit, "no more writes are in flight than the storage takes at once"
        self.groups.append(list(items))
        self.started.set()
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            if self.error is not None:
                raise self.error
        finally:
            self.at_once -= 1
        return [item.upper() for item in items]


def commits(storage: Storage, *, max_items: int = 100, max_bytes: int = 1_000) -> GroupCommit[str, str]:
    return GroupCommit(storage.write, max_items=max_items, max_bytes=max_bytes, size_of=len, at_once=storage.limit)


async def in_flight(storage: Storage, group: GroupCommit[str, str], *items: str) -> list[asyncio.Task[str]]:
    """The first item is being written, the others wait."""
    first = asyncio.create_task(group.submit(items[0]))
    await asyncio.wait_for(storage.started.wait(), DEADLINE)
    others = [asyncio.create_task(group.submit(item)) for item in items[1:]]
    await asyncio.sleep(0)
    return [first, *others]


async def test_a_lone_item_goes_out_at_once() -> None:
    storage = Storage()
    assert await asyncio.wait_for(commits(storage).submit("a"), DEADLINE) == "A"
    assert storage.groups == [["a"]]


async def test_what_arrives_meanwhile_goes_together() -> None:
    storage = Storage(open_=False)
    tasks = await in_flight(storage, commits(storage), *"abcd")
    storage.gate.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C", "D"]
    assert storage.groups == [["a"], ["b", "c", "d"]]


async def test_callers_that_come_back_share_the_next_write() -> None:
    storage = Storage()
    group = commits(storage)

    async def client(name: str) -> None:
        for _ in range(10):
            assert await group.submit(name) == name.upper()

    await asyncio.gather(*(client(name) for name in "abcdefgh"))
    assert [len(each) for each in storage.groups] == [8] * 10


async def test_where_there_is_room_a_group_does_not_wait_for_the_one_in_flight() -> None:
    storage = Storage(open_=False, limit=2)
    group = commits(storage, max_items=3)
    tasks = await in_flight(storage, group, "a", "b")
    await asyncio.sleep(0)
    assert storage.groups == [["a"], ["b"]]
    tasks += [asyncio.create_task(group.submit(item)) for item in "cdefg"]
    for _ in range(5):
        await asyncio.sleep(0)
    assert storage.groups == [["a"], ["b"]], "both places are taken"
    storage.gate.set()
    assert await asyncio.gather(*tasks) == list("ABCDEFG")
    assert storage.groups[2:] == [["c", "d", "e"], ["f", "g"]]


async def test_many_that_come_at_once_fill_every_place_with_full_groups() -> None:
    storage = Storage(open_=False, limit=3)
    group = commits(storage, max_items=4)
    tasks = [asyncio.create_task(group.submit(item)) for item in "abcdefghijklmn"]
    for _ in range(10):
        await asyncio.sleep(0)
    assert [len(each) for each in storage.groups] == [4, 4, 4]
    storage.gate.set()
    await asyncio.gather(*tasks)
    assert [len(each) for each in storage.groups] == [4, 4, 4, 2]


async def test_callers_that_come_back_to_several_places_keep_sharing() -> None:
    storage = Storage(limit=4)
    group = commits(storage, max_items=16)

    async def client(name: str) -> None:
        for _ in range(10):
            assert await group.submit(name) == name.upper()

    await asyncio.gather(*(client(name) for name in "abcdefgh"))
    assert [len(each) for each in storage.groups] == [8] * 10, "one group of all, not one for each place"


async def test_it_says_when_there_is_nothing_left_to_do() -> None:
    storage, ended = Storage(), asyncio.Event()
    group: GroupCommit[str, str] = GroupCommit(storage.write, max_items=2, max_bytes=9, size_of=len, idle=ended.set)
    await asyncio.gather(*(group.submit(item) for item in "abc"))
    await asyncio.wait_for(ended.wait(), DEADLINE)
    ended.clear()
    assert await group.submit("d") == "D", "it can be used again"
    await asyncio.wait_for(ended.wait(), DEADLINE)


async def test_groups_are_bounded_by_count_and_bytes() -> None:
    storage = Storage(open_=False)
    tasks = await in_flight(storage, commits(storage, max_items=3, max_bytes=10), "x", *"abcd", "12345", "67890", "much too large", "z")
    storage.gate.set()
    await asyncio.gather(*tasks)
    assert storage.groups == [["x"], ["a", "b", "c"], ["d", "12345"], ["67890"], ["much too large"], ["z"]]


async def test_a_cancelled_caller_breaks_nothing() -> None:
    storage = Storage(open_=False)
    first, second, third, fourth = await in_flight(storage, commits(storage), *"abcd")
    first.cancel()
    third.cancel()
    await asyncio.wait([first, third], timeout=DEADLINE)
    storage.gate.set()
    assert await asyncio.gather(second, fourth) == ["B", "D"]
    assert first.cancelled()
    assert third.cancelled()
    assert storage.groups == [["a"], ["b", "c", "d"]], "what was submitted is written"


async def test_an_exception_reaches_each_caller_of_its_group_alone() -> None:
    storage = Storage(open_=False)
    group = commits(storage)
    tasks = await in_flight(storage, group, *"abc")
    storage.error = StorageUnavailable("the disk is full")
    storage.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [StorageUnavailable] * 3
    storage.error = None
    assert await group.submit("d") == "D", "the next one is written again"


async def test_a_cancelled_caller_of_a_group_that_failed() -> None:
    storage = Storage(open_=False)
    first, second = await in_flight(storage, commits(storage), *"ab")
    storage.error = StorageUnavailable("the disk is full")
    first.cancel()
    storage.gate.set()
    results = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError, StorageUnavailable]


async def test_a_wrong_number_of_results_is_an_error() -> None:
    async def write(items: Sequence[str]) -> Sequence[str]:
        return []

    group: GroupCommit[str, str] = GroupCommit(write, max_items=10, max_bytes=10, size_of=len)
    with pytest.raises(RuntimeError, match="1 items were written, 0 results"):
        await group.submit("a")


async def test_a_size_that_cannot_be_told_is_its_callers_alone() -> None:
    storage = Storage()
    group: GroupCommit[object, str] = GroupCommit(storage.write, max_items=10, max_bytes=10, size_of=len)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError):
        await group.submit(5)
    assert await group.submit("a") == "A"


async def test_closing_writes_what_was_taken_and_takes_nothing_more() -> None:
    storage = Storage(open_=False)
    group = commits(storage, max_items=1)
    tasks = await in_flight(storage, group, *"abc")
    closing = asyncio.create_task(group.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    with pytest.raises(Unavailable):
        await group.submit("d")
    storage.gate.set()
    await asyncio.wait_for(closing, DEADLINE)
    assert [task.result() for task in tasks] == ["A", "B", "C"]
    await group.aclose()


async def test_closing_waits_for_every_write_in_flight() -> None:
    storage = Storage(open_=False, limit=3)
    group = commits(storage, max_items=1)
    tasks = await in_flight(storage, group, *"abcde")
    closing = asyncio.create_task(group.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    storage.gate.set()
    await asyncio.wait_for(closing, DEADLINE)
    assert [task.result() for task in tasks] == list("ABCDE")


async def test_closing_an_idle_one_returns() -> None:
    await commits(Storage()).aclose()


async def test_a_loop_that_ends_leaves_no_caller_waiting() -> None:
    storage = Storage(open_=False)
    tasks = await in_flight(storage, commits(storage, max_items=1), *"abc")
    (writing,) = [task for task in asyncio.all_tasks() if task.get_name() == "group-commit"]
    writing.cancel()
    await asyncio.wait(tasks, timeout=DEADLINE)
    assert [task.cancelled() for task in tasks] == [True] * 3
    assert storage.groups == [["a"]]


@settings(max_examples=50, deadline=None)
@given(
    clients=st.lists(st.lists(st.tuples(st.integers(0, 3), st.text("ab", min_size=1, max_size=5)), max_size=4), min_size=1, max_size=6),
    max_items=st.integers(1, 4),
    max_bytes=st.integers(1, 8),
    limit=st.integers(1, 3),
)
async def test_each_item_is_written_once_and_answered(
    clients: list[list[tuple[int, str]]], max_items: int, max_bytes: int, limit: int
) -> None:
    storage = Storage(limit=limit)
    group = commits(storage, max_items=max_items, max_bytes=max_bytes)

    async def client(items: list[tuple[int, str]]) -> None:
        for pause, item in items:
            for _ in range(pause):
                await asyncio.sleep(0)
            assert await group.submit(item) == item.upper()

    await asyncio.gather(*(client(items) for items in clients))
    written = [item for each in storage.groups for item in each]
    assert sorted(written) == sorted(item for items in clients for _, item in items)
    for each in storage.groups:
        assert len(each) <= max_items
        assert len(each) == 1 or sum(map(len, each)) <= max_bytes
