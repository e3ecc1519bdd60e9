"""Leases on the outbox's shards, by conditional writes; their lives end by a TTL, so by the servers' clocks.

An answer that was lost leaves the lease as it would be had it come: who asks again as the same owner gets the next epoch.
"""

from collections.abc import Mapping
from typing import Any

from cassandra.query import BatchStatement, BatchType

from syncline_contracts.revision import Clock
from syncline_store.engines.cql.session import CqlSession, Statement
from syncline_store.engines.cql.statements import leases as statements
from syncline_store.engines.protocol import Lease, Pos
from syncline_store.together import together

_BIAS = 1 << 63
_FREE = ""


class CqlLeases:
    """Who publishes which shard, and how far. `until` is by this machine's clock, from before the servers were asked."""

    def __init__(self, session: CqlSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self.shards = session.settings.shards

    async def acquire(self, shard: int, owner: str, life: int) -> Lease | None:
        """Take it if it is free, expired or our own."""
        until = self._clock.now() + life
        found = await self._session.run(statements.GET, shard)
        if not found:
            taken = await self._with_life(life, shard, statements.MAKE, shard, owner, 1)
            return Lease(shard, owner, 1, until, None) if taken else None
        ((holder, epoch, alive, mark),) = found
        if holder in (owner, _FREE):
            taken = await self._with_life(life, shard, statements.TAKE, owner, epoch + 1, shard, epoch, holder)
        elif alive is None:
            taken = await self._with_life(life, shard, statements.TAKE_OVER, owner, epoch + 1, shard, epoch, holder)
        else:
            return None
        return Lease(shard, owner, epoch + 1, until, _unpacked(mark)) if taken else None

    async def renew(self, lease: Lease, life: int) -> Lease | None:
        """Prolong it. One that ended, but that nobody took since, is still ours."""
        until = self._clock.now() + life
        ((applied, *_),) = await self._session.run(statements.RENEW, _seconds(life), lease.shard, lease.epoch, lease.owner)
        return Lease(lease.shard, lease.owner, lease.epoch, until, lease.mark) if applied else None

    async def checkpoint(self, lease: Lease, mark: Pos) -> bool:
        """Move the mark forward, if the lease is still ours."""
        packed = _packed(mark)
        ((applied, *_),) = await self._session.run(statements.CHECKPOINT, packed, lease.shard, lease.epoch, lease.owner, packed)
        if applied:
            return True
        ((holder, epoch, _, _),) = await self._session.run(statements.GET, lease.shard)
        return bool((holder, epoch) == (lease.owner, lease.epoch))

    async def release(self, lease: Lease) -> None:
        """Free it; a lease that was lost stays with its new owner."""
        await self._session.run(statements.RELEASE, lease.shard, lease.epoch, lease.owner)

    async def marks(self) -> Mapping[int, Pos | None]:
        """Every shard's mark."""
        found = await together(self._session.run(statements.GET, shard) for shard in range(self.shards))
        return {shard: _unpacked(rows[0][3]) if rows else None for shard, rows in enumerate(found)}

    async def _with_life(self, life: int, shard: int, statement: Statement, *values: Any) -> bool:
        """A conditional write and the lease's life, both or neither: they are of one partition."""
        batch = BatchStatement(BatchType.UNLOGGED)
        batch.add((await self._session.prepared(statement)).bind(values))
        batch.add((await self._session.prepared(statements.ALIVE)).bind((_seconds(life), shard)))
        ((applied, *_), *_) = await self._session.execute(batch)
        return bool(applied)


def _seconds(life: int) -> int:
    """A TTL is whole seconds; a lease lives no shorter than was asked."""
    return max(1, -(-life // 1_000_000))


def _packed(pos: Pos) -> bytes:
    """A position as bytes that sort as positions do."""
    return (pos.at + _BIAS).to_bytes(8, "big") + pos.tie


def _unpacked(packed: bytes | None) -> Pos | None:
    return Pos(int.from_bytes(packed[:8], "big") - _BIAS, packed[8:]) if packed else None
