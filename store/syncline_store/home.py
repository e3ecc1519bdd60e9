"""Where an open store lives: one event loop. From any other thread or loop, work is brought there and its end waited for.

What the caller's context holds (a trace) goes along.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from syncline_contracts.errors import Unavailable

T = TypeVar("T")
_CLOSED = "this store is closed: open it again"


class Home:
    """A store's loop, which runs in a thread for as long as the store is open."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    @classmethod
    def here(cls) -> "Home":
        """The loop that runs now. Raises RuntimeError where none does."""
        return cls(asyncio.get_running_loop())

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done there, and wait. Raises what it raises; InvalidStateError in the loop's own thread, which would wait for itself.

        A caller that is interrupted (Ctrl-C) cancels the work.
        """
        if _running() is self.loop:
            work.close()
            raise asyncio.InvalidStateError("this call would block the event loop that it waits for: await its async twin instead")
        if self.loop.is_closed():
            work.close()
            raise Unavailable(_CLOSED)
        done = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return done.result()
        except BaseException:
            done.cancel()
            raise

    async def bring(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done there, and await it in whichever loop runs here."""
        if _running() is self.loop:
            return await work
        if self.loop.is_closed():
            work.close()
            raise Unavailable(_CLOSED)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))


class LoopThread:
    """A loop in a thread of its own, until `close`. A program that ends without closing it is not held up."""

    def __init__(self, name: str) -> None:
        self.home = Home(asyncio.new_event_loop())
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the loop once all that runs in it was cancelled and has ended. Closing twice does nothing."""
        if self._thread.is_alive():
            self.home.loop.call_soon_threadsafe(self.home.loop.stop)
            self._thread.join()

    def _run(self) -> None:
        loop = self.home.loop
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.get_loop().run_forever()


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
