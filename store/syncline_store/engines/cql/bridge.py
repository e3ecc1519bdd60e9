"""From the driver's callbacks to asyncio.

The driver calls back on the loop itself as a rule (`on_loop`); on a thread of its own where a connection was lost, or where a statement
had to be prepared again.
"""

import asyncio
from typing import Any

from cassandra.cluster import ResponseFuture

from syncline_store.engines.cql.on_loop import call_on


def answer(response: ResponseFuture) -> asyncio.Future[Any]:
    """A future of the rows (None from a statement that gives none) or of the driver's error. To be called on the loop."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    response.add_callbacks(_answered, _failed, callback_args=(loop, done), errback_args=(loop, done))
    return done


def _answered(rows: Any, loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any]) -> None:
    call_on(loop, _succeed, done, rows)


def _failed(error: BaseException, loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any]) -> None:
    call_on(loop, _fail, done, error)


def _succeed(done: asyncio.Future[Any], rows: Any) -> None:
    if not done.done():  # else its caller was cancelled
        done.set_result(rows)


def _fail(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
