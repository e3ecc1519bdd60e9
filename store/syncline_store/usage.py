"""What each tenant holds: counted in the storage, and since then what this process added or took away.

A count looks at all that the tenant has, so it is made again only when as much time has passed as keeps it below its share of the
time. What other processes write is seen by the next count.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from syncline_contracts.errors import StorageUnavailable
from syncline_store.document import moment
from syncline_store.engines.protocol import Amount, Documents

SHARE = 0.05
"""Of the time that may be spent on counting one tenant."""
AT_MOST = 10_000
"""Tenants that are remembered; those known longest are counted anew when they come again."""
AFTER_A_FAILURE = 1.0
"""Seconds until it is tried again."""
NOTHING = Amount(0, 0)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tenant holds: living documents, and the bytes of their values as canonical JSON in UTF-8.

    `counted_at` is when the storage was looked at. What this process wrote since is in it if the tenant has a quota; what other
    processes wrote since, and what expired since, is not.
    """

    documents: int
    bytes: int
    counted_at: datetime


class Holding:
    """One tenant's. `count` looks at the storage, `now` is the clock's, in µs."""

    def __init__(self, count: Callable[[], Awaitable[Amount]], now: Callable[[], int]) -> None:
        self._count = count
        self._now = now
        self._counted: Amount | None = None
        self._counted_at = 0
        self._grown = NOTHING
        self._reserved = NOTHING
        self._counting: asyncio.Task[None] | None = None
        self._began = 0.0
        self._again = 0.0
        self._problem: Exception | None = None

    @property
    def amount(self) -> Amount | None:
        """As far as is known; None before the first count."""
        return None if self._counted is None else self._counted.plus(self._grown).plus(self._reserved)

    @property
    def is_counting(self) -> bool:
        """A count is under way."""
        return self._counting is not None

    def usage(self) -> Usage:
        """As far as is known. Raises why the last count failed."""
        if self._problem is not None or (amount := self.amount) is None:
            raise self._problem or StorageUnavailable("counting was given up: the store is closed")
        return Usage(*amount, moment(self._counted_at))

    def reserve(self, by: Amount) -> None:
        """This process is about to write so much more, or less: `end` says what became of it."""
        self._reserved = self._reserved.plus(by)

    def end(self, by: Amount, *, written: bool) -> None:
        """What was reserved was written, or perhaps; or certainly not."""
        self._reserved = self._reserved.minus(by)
        if written:
            self._grown = self._grown.plus(by)

    def count_after(self, seconds: float) -> None:
        """Count anew, unless one is under way or began less than so many seconds ago, or it would take more than its share."""
        now = monotonic()
        if self._counting is None and now >= max(self._again, self._began + seconds):
            self._began = now
            self._counting = asyncio.create_task(self._recount(), name="usage")

    async def settled(self, within: float | None = None) -> None:
        """Wait for the count that is under way, until `within` seconds after it began."""
        if self._counting is not None:
            left = None if within is None else max(0.0, self._began + within - monotonic())
            await asyncio.wait({self._counting}, timeout=left)

    async def aclose(self) -> None:
        """Give up what is under way."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait({self._counting})

    async def _recount(self) -> None:
        """What is written while the storage is looked at is added to what was seen, so that it may count twice until the next time."""
        at, before = self._now(), self._grown
        try:
            counted = await self._count()
        except Exception as error:  # noqa: BLE001 - told to who asks for the usage; a quota is judged by what was known before
            self._problem = error
        else:
            self._counted, self._counted_at, self._problem = counted, at, None
            self._grown = self._grown.minus(before)
        finally:
            ended = monotonic()
            pause = (ended - self._began) * (1 / SHARE - 1) if self._problem is None else AFTER_A_FAILURE
            self._again, self._counting = ended + pause, None


class Holdings:
    """Those of the tenants that were asked about, as far as memory is given to them."""

    def __init__(self, documents: Documents, now: Callable[[], int]) -> None:
        self._documents = documents
        self._now = now
        self._known: dict[str, Holding] = {}

    def of(self, tenant: str) -> Holding:
        """The tenant's."""
        found = self._known.get(tenant)
        if found is None:
            self._forget()
            found = self._known[tenant] = Holding(lambda: self._documents.amount(tenant, self._now()), self._now)
        return found

    async def usage(self, tenant: str) -> Usage:
        """Counted now, or a while ago where that took long. Raises StorageUnavailable."""
        holding = self.of(tenant)
        holding.count_after(0)
        await holding.settled()
        return holding.usage()

    async def aclose(self) -> None:
        """Give up what is being counted."""
        for holding in list(self._known.values()):
            await holding.aclose()

    def _forget(self) -> None:
        if len(self._known) >= AT_MOST:
            idle = next((tenant for tenant, holding in self._known.items() if not holding.is_counting), None)
            if idle is not None:
                del self._known[idle]
