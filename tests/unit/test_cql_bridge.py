"""Answers of the driver reach their tasks, on whatever thread they come."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from syncline_store.engines.cql.bridge import answer
from syncline_store.together import together


class Response:
    """What the bridge uses of the driver's ResponseFuture."""

    def add_callbacks(self, callback: Callable[..., None], errback: Callable[..., None], callback_args: Any, errback_args: Any) -> None:
        self.succeed = lambda rows: callback(rows, *callback_args)
        self.fail = lambda error: errback(error, *errback_args)


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


async def test_rows_and_errors_that_come_on_the_loop_are_there_at_once() -> None:
    good, bad = Response(), Response()
    rows, failure = answer(good), answer(bad)
    good.succeed([(1,)])
    bad.fail(ValueError("no"))
    assert rows.done()
    assert await rows == [(1,)]
    with pytest.raises(ValueError, match="no"):
        await failure


async def test_rows_and_errors_arrive_from_threads() -> None:
    good, bad = Response(), Response()
    rows, failure = answer(good), answer(bad)
    in_a_thread(lambda: (good.succeed([(1,)]), bad.fail(ValueError("no"))))
    assert await asyncio.wait_for(rows, 10) == [(1,)]
    with pytest.raises(ValueError, match="no"):
        await asyncio.wait_for(failure, 10)


async def test_a_caller_that_gave_up_is_passed_over() -> None:
    given_up, failed, other = Response(), Response(), Response()
    waiting, failing, rest = answer(given_up), answer(failed), answer(other)
    waiting.cancel()
    failing.cancel()
    in_a_thread(lambda: (given_up.succeed([]), failed.fail(ValueError("no")), other.succeed([])))
    assert await asyncio.wait_for(rest, 10) == []
    assert waiting.cancelled()
    assert failing.cancelled()


def test_answers_after_the_loop_has_ended_are_dropped() -> None:
    response = Response()

    async def ask() -> asyncio.Future[Any]:
        return answer(response)

    waiting = asyncio.run(ask())
    in_a_thread(lambda: response.succeed([]))
    assert not waiting.done()


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
