"""Reading one shard's outbox, a page at a time: whole rows of what is new, places first of what is read again."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from syncline_store.engines.protocol import Outbox, OutboxRow, Pos


class Page(NamedTuple):
    """What a read gave, and the place up to which it read. `full`: there may be more."""

    rows: Sequence[OutboxRow]
    end: Pos
    full: bool


class Reader:
    """Pages of at most `limit` rows. Every method raises StorageUnavailable."""

    def __init__(self, outbox: Outbox, shard: int, *, limit: int) -> None:
        self._outbox = outbox
        self._shard = shard
        self._limit = limit

    async def read(self, after: Pos, until: Pos) -> Page:
        """The rows with after < pos <= until."""
        rows = await self._outbox.read(self._shard, after, until, self._limit)
        full = len(rows) == self._limit
        return Page(rows, rows[-1].pos if full else until, full)

    async def unknown(self, after: Pos, until: Pos, knows: Callable[[Pos], bool]) -> Page:
        """The same where most places are known: each row is read again some twenty times, and found published each time.

        So the places come first, and rows only of the stretch from the first to the last place that is not known; known ones may be
        among them. A row that is seen by its place and not read then (a replica behind) is as any that surfaces late: a later sweep's.
        """
        places = await self._outbox.places(self._shard, after, until, self._limit)
        full = len(places) == self._limit
        end = places[-1] if full else until
        strange = [number for number, pos in enumerate(places) if not knows(pos)]
        if not strange:
            return Page((), end, full)
        found = await self.read(places[strange[0] - 1] if strange[0] else after, places[strange[-1]])
        return found if found.full else Page(found.rows, end, full)
