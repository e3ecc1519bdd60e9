"""Which stage a process is in, told through a few bytes of shared memory that outlive its death."""

import asyncio
import functools
import mmap
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

INNERMOST_FIRST = ("commit", "upsert", "embed", "mark", "publish")
"""Publishing by hand-over holds embedding and writing inside it: the innermost stage is the one a process is in."""
IDLE = "idle"
LINGER = 0.001

T = TypeVar("T")


class Stages:
    """One byte a stage: how many calls are under way in it. Made by the parent, opened by the child."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(len(INNERMOST_FIRST)))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), len(INNERMOST_FIRST))

    def clear(self) -> None:
        self._bytes[:] = bytes(len(INNERMOST_FIRST))

    @property
    def now(self) -> str:
        return next((stage for number, stage in enumerate(INNERMOST_FIRST) if self._bytes[number]), IDLE)

    @contextmanager
    def inside(self, stage: str) -> Iterator[None]:
        number = INNERMOST_FIRST.index(stage)
        self._bytes[number] += 1
        try:
            yield
        finally:
            self._bytes[number] -= 1

    def watch(self, owner: Any, method: str, stage: str) -> None:
        """Say so whenever this object's method is under way, and stay a moment before and after, for the kill to find it there."""
        setattr(owner, method, self._told(getattr(owner, method), stage))

    def _told(self, call: Callable[..., Awaitable[T]], stage: str) -> Callable[..., Awaitable[T]]:
        @functools.wraps(call)
        async def told(*arguments: Any, **named: Any) -> T:
            with self.inside(stage):
                await asyncio.sleep(LINGER)
                result = await call(*arguments, **named)
                await asyncio.sleep(LINGER)
                return result

        return told
