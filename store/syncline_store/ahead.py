"""One step ahead: what comes next is read while what came is looked at."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def ahead(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same items, none of them None; one more than without is in memory. To be closed: what is under way then is cancelled."""
    async with aclosing(items):
        under_way = asyncio.ensure_future(_next(items))
        try:
            while (item := await under_way) is not None:
                under_way = asyncio.ensure_future(_next(items))
                yield item
        finally:
            under_way.cancel()
            await asyncio.gather(under_way, return_exceptions=True)


async def _next(items: AsyncGenerator[T, None]) -> T | None:
    """None behind the last one."""
    return await anext(items, None)
