"""How an open store stands: each part asked something small, side by side, within a time.

Without the storage nothing works; without the index documents are written and read all the same, and only searches fail.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from syncline_contracts.errors import SynclineError
from syncline_store.parts import Parts


class Status(StrEnum):
    """What an app can do."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Documents are written and read; searches fail."""
    UNHEALTHY = "unhealthy"
    """Nothing works."""


@dataclass(frozen=True, slots=True)
class PartHealth:
    """How one part answered: after how many seconds, and what was wrong with it, None where nothing was."""

    seconds: float
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How the parts stand, by name: ``storage`` and ``index``."""

    parts: Mapping[str, PartHealth]

    @property
    def status(self) -> Status:
        """The storage decides whether anything works, the others whether all of it does."""
        if self.parts["storage"].problem is not None:
            return Status.UNHEALTHY
        return Status.HEALTHY if all(part.problem is None for part in self.parts.values()) else Status.DEGRADED

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not healthy; empty when it is."""
        return tuple(f"{name}: {part.problem}" for name, part in self.parts.items() if part.problem is not None)


async def look(parts: Parts, within: float) -> Health:
    """Ask each part. `within` is seconds; a part that needs longer is said to be out. Raises nothing of theirs."""

    async def storage() -> None:
        await parts.engine.identity()
        await parts.engine.leases.marks()

    async def index() -> None:
        await (await parts.index()).source()

    asked = {"storage": storage, "index": index}
    answers = await asyncio.gather(*(_asked(ask, within) for ask in asked.values()))
    return Health(dict(zip(asked, answers, strict=True)))


async def _asked(ask: Callable[[], Awaitable[None]], within: float) -> PartHealth:
    began = time.monotonic()
    problem = None
    try:
        async with asyncio.timeout(within):
            await ask()
    except TimeoutError:
        problem = f"no answer within {within:g} s"
    except SynclineError as error:
        problem = str(error)
    return PartHealth(time.monotonic() - began, problem)
