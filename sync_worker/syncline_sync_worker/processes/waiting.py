"""Waiting for parts: at the start until each is there, later on to know whether each still answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog

from syncline_contracts.errors import SynclineError, Unavailable
from syncline_sync_worker.observability.health import Health
from syncline_sync_worker.transport.backoff import Backoff, wait_for

log = structlog.get_logger(__name__)
T = TypeVar("T")

FIRST, LONGEST = 0.5, 10.0
"""Seconds between two tries to open a part."""
LOOK_EVERY = 5.0
"""Seconds between two looks whether a part still answers."""
LOOK_FOR = 5.0
"""Seconds after which a part that says nothing is said not to answer."""


async def patiently(part: str, opening: Callable[[], Awaitable[T]], health: Health) -> T:
    """Open a part, trying again while it is away. Raises what waiting cannot mend: ConfigurationError."""
    backoff = Backoff(FIRST, LONGEST)
    while True:
        try:
            opened = await opening()
        except Unavailable as error:
            log.warning("waiting", part=part, error=str(error))
            health.out(part, str(error))
            await asyncio.sleep(backoff.next(error.retry_after))
        else:
            health.answers(part)
            return opened


Look = Callable[[], Awaitable[object]]


async def look_after(parts: Mapping[str, Look], health: Health, stop: asyncio.Event) -> None:
    """Ask each part for something small, again and again until the stop, and tell the health whether it answered."""
    async with asyncio.TaskGroup() as group:
        for part, look in parts.items():
            group.create_task(_look_after(part, look, health, stop))


async def _look_after(part: str, look: Look, health: Health, stop: asyncio.Event) -> None:
    while not await wait_for(stop, LOOK_EVERY):
        try:
            async with asyncio.timeout(LOOK_FOR):
                await look()
        except TimeoutError:
            health.out(part, f"no answer within {LOOK_FOR:g} s")
        except SynclineError as error:
            health.out(part, str(error))
        else:
            health.answers(part)
