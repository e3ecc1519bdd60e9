"""Connections on threads of their own: a request is a closure, handed over and awaited.

A lane of one thread serialises its requests, which is how there is one writer; a lane of several is a pool. A hand-over is
one `SimpleQueue.put` there and one `call_soon_threadsafe` back.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from syncline_contracts.errors import StorageUnavailable
from syncline_store.engines.sqlite.errors import unavailable

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]

MAX_WAITING = 1_000
"""Requests that may stand in a lane's queue; further callers wait their turn outside of it."""


class Lane:
    """Threads that share a queue of requests, each with a connection of its own, opened at its first request."""

    def __init__(self, name: str, path: str, connect: Callable[[], sqlite3.Connection], threads: int = 1) -> None:
        self._path = path
        self._connect = connect
        self._queue: SimpleQueue[tuple[Job, asyncio.AbstractEventLoop, asyncio.Future[Any]] | None] = SimpleQueue()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Await the closure's result, computed on a thread of the lane.

        A caller that is cancelled stops waiting; the closure still runs. Raises StorageUnavailable for what SQLite reports.
        """
        async with self._room:
            if self._closed:
                raise StorageUnavailable(f"{self._path}: the engine is closed: open it again")
            loop = asyncio.get_running_loop()
            done: asyncio.Future[T] = loop.create_future()
            self._queue.put((job, loop, done))
            return await done

    async def aclose(self) -> None:
        """Finish what was asked for, then close the connections."""
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._queue.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        while (request := self._queue.get()) is not None:
            job, loop, done = request
            result: Any = None
            error: BaseException | None = None
            try:
                if connection is None:
                    connection = self._connect()
                result = job(connection)
            except sqlite3.Error as failure:
                error = unavailable(failure, self._path)
            except BaseException as failure:  # noqa: BLE001 - whatever it is belongs to the caller, the thread goes on
                error = failure
            with suppress(RuntimeError):  # its loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_deliver, done, result, error)
            del request, job, done, result, error
        if connection is not None:
            connection.close()


def _deliver(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
