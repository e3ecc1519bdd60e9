"""How much of one kind is under way in this process: who comes later waits for a turn, and not for ever."""

import asyncio
from types import TracebackType

from syncline_contracts.errors import Overloaded


class Turns:
    """`at_once` turns, given in the order of asking. A context: waits `patience` seconds at most, then raises Overloaded.

    It gives the time (the loop's) at which the patience of who has asked is over, wherever it was spent. `what` is how messages call
    it, `setting` the setting that bounds it.
    """

    def __init__(self, what: str, setting: str, at_once: int, patience: float) -> None:
        self._what = what
        self._setting = setting
        self._at_once = at_once
        self._patience = patience
        self._room = asyncio.Semaphore(at_once)
        self.under_way = 0
        self.waiting = 0

    async def __aenter__(self) -> float:
        deadline = asyncio.get_running_loop().time() + self._patience
        if self._room.locked():
            await self._wait(deadline)
        else:
            await self._room.acquire()
        self.under_way += 1
        return deadline

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.under_way -= 1
        self._room.release()

    async def _wait(self, deadline: float) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._room.acquire()
        except TimeoutError:
            raise Overloaded(
                f"{self._at_once} {self._what} are under way in this process, and no turn came within {self._patience:g} s: "
                f"try again later, look at what they wait for, or raise {self._setting}"
            ) from None
        finally:
            self.waiting -= 1
