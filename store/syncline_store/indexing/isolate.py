"""Work on many at once; where one is refused, find out which, so that its batch-mates go through (invariant 8)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from syncline_contracts.errors import DocumentRefused

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Poison(Generic[T]):
    """An item that was refused, alone, each time it was tried."""

    item: T
    error: DocumentRefused
    attempts: int


def spared(items: Sequence[T], poisons: Sequence[Poison[T]]) -> Sequence[T]:
    """Those of the items that were not refused."""
    refused = {id(poison.item) for poison in poisons}
    return [item for item in items if id(item) not in refused] if refused else items


async def isolate(items: Sequence[T], work: Callable[[Sequence[T]], Awaitable[None]], attempts: int) -> list[Poison[T]]:
    """Do `work`, which may be repeated, on all items; halve what raises DocumentRefused, and try what is alone `attempts` times.

    Any other error, an outage above all, passes through: it says nothing about an item.
    """
    if not items:
        return []
    try:
        await work(items)
    except DocumentRefused as error:
        if len(items) == 1:
            return await _alone(items[0], work, error, attempts)
        middle = len(items) // 2
        return await isolate(items[:middle], work, attempts) + await isolate(items[middle:], work, attempts)
    return []


async def _alone(item: T, work: Callable[[Sequence[T]], Awaitable[None]], error: DocumentRefused, attempts: int) -> list[Poison[T]]:
    for _ in range(attempts - 1):
        try:
            await work([item])
        except DocumentRefused as refused:
            error = refused
        else:
            return []
    return [Poison(item, error, attempts)]
