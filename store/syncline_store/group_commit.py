"""Group commit: what arrives while the storage is busy goes together in the next write.

    submit a ──► write [a]
    submit b ──┐            (a is in flight)
    submit c ──┴──────────► write [b, c]

A lone item goes out at once, and the busier the callers are, the larger the groups become by themselves. Nothing is ever
held back to wait for company: a group waits only while as many as the storage takes at once are in flight.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from syncline_contracts.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

_Entry = tuple[Item, int, asyncio.Future[Result]]
"""An item, its size, and its caller's promise."""


class GroupCommit(Generic[Item, Result]):
    """Gathers the items of concurrent callers into groups, of which `at_once` are in flight at most.

    `write` is given at most `max_items` items, and at most `max_bytes` of them as `size_of` tells (a single larger item goes
    alone); it returns one result an item, in order. What it raises reaches every caller of that group. A caller that is
    cancelled stops waiting; its item is written all the same, since its group-mates' fate hangs on the same write.

    Groups are formed in the order of submission; where several are in flight they land in any order.

    The writing is done by tasks that live while there is work; `aclose` awaits them. `idle` is called when the last one has ended.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        max_items: int,
        max_bytes: int,
        size_of: Callable[[Item], int],
        at_once: int = 1,
        idle: Callable[[], object] = lambda: None,
    ) -> None:
        self._write = write
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._at_once = at_once
        self._idle = idle
        self._waiting: deque[_Entry[Item, Result]] = deque()
        self._writing: set[asyncio.Task[None]] = set()
        self._starting = False
        self._closed = False

    async def submit(self, item: Item) -> Result:
        """Have the item written, and give its own result. Raises what `write` raises, and Unavailable once closed."""
        if self._closed:
            raise Unavailable("this store is closed: open it again")
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, self._size_of(item), done))
        self._start()
        return await done

    async def aclose(self) -> None:
        """Take no further items; return when all that were taken are written."""
        self._closed = True
        while self._writing:
            await asyncio.wait(self._writing)

    def _start(self) -> None:
        """One more task, where there is room. It begins a turn of the loop later: all who submit in this turn share its group."""
        if len(self._writing) < self._at_once and not self._starting:
            self._starting = True
            task = asyncio.create_task(self._drain(), name="group-commit")
            self._writing.add(task)
            task.add_done_callback(self._ended)

    async def _drain(self) -> None:
        self._starting = False
        while self._waiting:
            group = self._next_group()
            if self._waiting:
                self._start()
            await self._write_group(group)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whoever submitted since it looked last is served by another; where it was cancelled, their loop is being torn down."""
        self._writing.discard(task)
        if task.cancelled():
            self._starting = False
            while self._waiting:
                self._waiting.popleft()[2].cancel()
        elif self._waiting:
            self._start()
        if not self._writing:
            self._idle()

    def _next_group(self) -> list[_Entry[Item, Result]]:
        group = [self._waiting.popleft()]
        size = group[0][1]
        while self._waiting and len(group) < self._max_items:
            size += self._waiting[0][1]
            if size > self._max_bytes:
                break
            group.append(self._waiting.popleft())
        return group

    async def _write_group(self, group: Sequence[_Entry[Item, Result]]) -> None:
        try:
            results = await self._write([item for item, _, _ in group])
            if len(results) != len(group):
                raise RuntimeError(f"{len(group)} items were written, {len(results)} results came back")  # noqa: TRY301 - as any failure of the group
        except asyncio.CancelledError:
            for _, _, done in group:
                done.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - it is the callers' to see, each of them
            for _, _, done in group:
                _fail(done, error)
        else:
            for (_, _, done), result in zip(group, results, strict=True):
                if not done.done():
                    done.set_result(result)


def _fail(done: asyncio.Future[Result], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
