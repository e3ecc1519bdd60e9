"""From the driver's threads to asyncio: one wake-up of the event loop for all the answers that came meanwhile.

The driver calls back on its own thread. Waking the loop costs a system call, so answers are queued, and the loop is woken only where
it is not about to look anyway.
"""

import asyncio
from collections import deque
from typing import Any

from cassandra.cluster import ResponseFuture, ResultSet


class Completions:
    """Answers on their way to the tasks that wait for them. `deliver_*` may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._woken = False

    def wait_for(self, response: ResponseFuture) -> asyncio.Future[Any]:
        """A future of the rows. To be called on the loop."""
        done: asyncio.Future[Any] = self._loop.create_future()
        response.add_callbacks(self._answered, self._failed, callback_args=(response, done), errback_args=(done,))
        return done

    def _answered(self, rows: Any, response: ResponseFuture, done: asyncio.Future[Any]) -> None:
        self._put(done, ResultSet(response, rows), None)

    def _failed(self, error: BaseException, done: asyncio.Future[Any]) -> None:
        self._put(done, None, error)

    def _put(self, done: asyncio.Future[Any], rows: Any, error: BaseException | None) -> None:
        """Append first, look second: the loop clears the flag first and empties the queue second, so nothing is left lying."""
        self._arrived.append((done, rows, error))
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._hand_out)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self._arrived.clear()

    def _hand_out(self) -> None:
        self._woken = False
        while self._arrived:
            done, rows, error = self._arrived.popleft()
            if done.done():  # its caller was cancelled
                continue
            if error is None:
                done.set_result(rows)
            else:
                done.set_exception(error)
