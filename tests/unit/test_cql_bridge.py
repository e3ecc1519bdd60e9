"""Answers from the driver's threads reach their tasks, many by one wake-up."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from syncline_store.engines.cql.bridge import Completions
from syncline_store.together import together


class Response:
    """What the bridge uses of the driver's ResponseFuture."""

    _paging_state = None
    _col_names = _col_types = None
    has_more_pages = False

    def add_callbacks(self, callback: Callable[..., None], errback: Callable[..., None], callback_args: Any, errback_args: Any) -> None:
        self.succeed = lambda rows: callback(rows, *callback_args)
        self.fail = lambda error: errback(error, *errback_args)


class Counting:
    """A loop that counts how often it is woken from outside."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.woken = 0

    def create_future(self) -> asyncio.Future[Any]:
        return self.loop.create_future()

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        self.woken += 1
        self.loop.call_soon_threadsafe(callback)


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


async def test_rows_and_errors_arrive() -> None:
    completions = Completions(asyncio.get_running_loop())
    good, bad = Response(), Response()
    rows, failure = completions.wait_for(good), completions.wait_for(bad)
    in_a_thread(lambda: (good.succeed([(1,)]), bad.fail(ValueError("no"))))
    assert (await rows).current_rows == [(1,)]
    with pytest.raises(ValueError, match="no"):
        await failure


async def test_answers_that_come_together_wake_the_loop_once() -> None:
    counting = Counting(asyncio.get_running_loop())
    completions = Completions(counting)
    responses = [Response() for _ in range(100)]
    waiting = [completions.wait_for(response) for response in responses]
    in_a_thread(lambda: [response.succeed([]) for response in responses])
    await asyncio.gather(*waiting)
    assert counting.woken == 1


async def test_nothing_is_left_lying_when_several_threads_answer() -> None:
    completions = Completions(asyncio.get_running_loop())
    responses = [Response() for _ in range(4_000)]
    waiting = [completions.wait_for(response) for response in responses]
    threads = [
        threading.Thread(target=lambda part=part: [response.succeed([]) for response in part])
        for part in (responses[n::4] for n in range(4))
    ]
    for thread in threads:
        thread.start()
    await asyncio.wait_for(asyncio.gather(*waiting), 10)
    for thread in threads:
        thread.join()


async def test_a_caller_that_gave_up_is_passed_over() -> None:
    completions = Completions(asyncio.get_running_loop())
    given_up, other = Response(), Response()
    waiting, rest = completions.wait_for(given_up), completions.wait_for(other)
    waiting.cancel()
    in_a_thread(lambda: (given_up.succeed([]), other.succeed([])))
    await rest
    assert waiting.cancelled()


async def test_answers_after_the_loop_has_ended_are_dropped() -> None:
    loop = asyncio.new_event_loop()
    completions = Completions(loop)
    response = Response()
    completions.wait_for(response)
    loop.close()
    in_a_thread(lambda: response.succeed([]))
    assert not completions._arrived


async def test_requests_at_once_end_with_their_call() -> None:
    ended = []

    async def fails() -> int:
        raise ValueError("no")

    async def waits() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return 1

    with pytest.raises(ValueError, match="no"):
        await together([waits(), fails(), waits()])
    assert ended == [True, True]
