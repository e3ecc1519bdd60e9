"""A shard's lease while this process holds it: kept alive, and worthless once it is lost."""

import asyncio

from syncline_contracts.errors import StorageUnavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Lease, Leases, Pos

RENEWALS = 3
"""Tries to renew within a lease's life."""


class HeldLease:
    """A lease and its mark. `alive` turns False for good when another took it over, or when it could not be renewed in time.

    Whatever this process still believes, the epoch in the engine's conditional update keeps the mark from a relay that
    lost its lease (architecture, invariant 7).
    """

    def __init__(self, leases: Leases, lease: Lease, *, clock: Clock, life: int) -> None:
        self._leases = leases
        self._lease = lease
        self._clock = clock
        self._life = life
        self._lost = False
        self.mark = lease.mark

    @classmethod
    async def take(cls, leases: Leases, shard: int, owner: str, *, clock: Clock, life: int) -> "HeldLease | None":
        """Take the shard's lease for `life` µs, None while another's lives. Raises StorageUnavailable."""
        lease = await leases.acquire(shard, owner, life)
        return None if lease is None else cls(leases, lease, clock=clock, life=life)

    @property
    def lease(self) -> Lease:
        """As it was last renewed."""
        return self._lease

    @property
    def shard(self) -> int:
        """Whose lease it is."""
        return self._lease.shard

    @property
    def alive(self) -> bool:
        """Whether rows may be published under it."""
        return not self._lost and self._clock.now() < self._lease.until

    async def keep(self) -> None:
        """Renew it in time, again and again; return once it is lost."""
        while self.alive:
            await asyncio.sleep(self._life / RENEWALS / 1e6)
            await self.renew()

    async def renew(self) -> None:
        """Prolong it once. A storage that does not answer costs nothing as long as the lease's time is not up."""
        try:
            renewed = await self._leases.renew(self._lease, self._life)
        except StorageUnavailable:
            return
        if renewed is None:
            self._lost = True
        else:
            self._lease = renewed

    async def checkpoint(self, mark: Pos) -> bool:
        """Move the mark forward; False, and the lease is lost, where the epoch is no longer ours. Raises StorageUnavailable."""
        if self.mark is not None and mark <= self.mark:
            return True
        if not await self._leases.checkpoint(self._lease, mark):
            self._lost = True
            return False
        self.mark = mark
        return True

    async def release(self) -> None:
        """Let others have it at once. Where the storage does not answer, it runs out by itself."""
        self._lost, lost = True, self._lost
        if lost:
            return
        try:
            await self._leases.release(self._lease)
        except StorageUnavailable:
            return
