"""The clocks while a store is open: what opening checked may change, by a clock that is set or a server that takes another's place.

A write of a clock that is behind would lose against older ones, and one of a clock that is ahead would make others lose for as long
(architecture, section 3). So writes are refused from the look that finds the clocks too far apart to the one that finds them right.
"""

import asyncio
import logging

from syncline_contracts.errors import ClockSkew, SynclineError
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine
from syncline_store.parts import check_clock

INTERVAL = 60.0
"""Seconds between two looks at the storage's clock."""

_log = logging.getLogger(__name__)


class ClockWatch:
    """Looks at an interval, from the first write on. It belongs to the writer, which ends it."""

    def __init__(self, engine: Engine, clock: Clock, interval: float | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._interval = INTERVAL if interval is None else interval
        self._found: str | None = None
        self._looking: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Raises ClockSkew while the last look found the clocks too far apart."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_on(), name="syncline-clock")
        if self._found is not None:
            raise ClockSkew(self._found)

    async def aclose(self) -> None:
        """End the looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await check_clock(self._engine, self._clock)
            except ClockSkew as skew:
                if self._found is None:
                    _log.error("writes are refused: %s", skew)
                self._found = str(skew)
            except SynclineError as error:  # whoever writes learns of it; what was known of the clocks stands
                _log.warning("the storage's clock cannot be read now: %s", error)
            else:
                self._found = None
