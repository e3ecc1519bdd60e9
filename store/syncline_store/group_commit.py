"""Group commit: what arrives while a write is in flight goes together in the next one.

    submit a ──► write [a]
    submit b ──┐            (a is in flight)
    submit c ──┴──────────► write [b, c]

A lone item goes out at once, and the busier the callers are, the larger the groups become by themselves. Nothing is ever
held back to wait for company.
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
    """Gathers the items of concurrent callers into groups; one write is in flight at a time.

    `write` is given at most `max_items` items, and at most `max_bytes` of them as `size_of` tells (a single larger item goes
    alone); it returns one result an item, in order. What it raises reaches every caller of that group. A caller that is
    cancelled stops waiting; its item is written all the same, since its group-mates' fate hangs on the same write.

    The writing is done by one task that lives while there is work; `aclose` awaits it.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        max_items: int,
        max_bytes: int,
        size_of: Callable[[Item], int],
    ) -> None:
        self._write = write
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._waiting: deque[_Entry[Item, Result]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, item: Item) -> Result:
        """Have the item written, and give its own result. Raises what `write` raises, and Unavailable once closed."""
        if self._closed:
            raise Unavailable("this store is closed: open it again")
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, self._size_of(item), done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._drain(), name="group-commit")
        return await done

    async def aclose(self) -> None:
        """Take no further items; return when all that were taken are written."""
        self._closed = True
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._write_group(self._next_group())
        finally:
            self._writing = None
            while self._waiting:  # only when this task itself was cancelled: its loop is being torn down
                self._waiting.popleft()[2].cancel()

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
