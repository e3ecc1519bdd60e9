"""Leases on the outbox's shards. Each method is one statement, as it is one LWT in CQL."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Lease, Pos
from syncline_store.engines.sqlite.connection import Connections
from syncline_store.engines.sqlite.position import pack, unpack

_ACQUIRE = """
INSERT INTO leases (shard, owner, epoch, until) VALUES (:shard, :owner, 1, :until)
ON CONFLICT (shard) DO UPDATE SET owner = :owner, epoch = epoch + 1, until = :until
WHERE leases.until <= :now OR leases.owner IN (:owner, '')
RETURNING epoch, mark"""
_RENEW = "UPDATE leases SET until = :until WHERE shard = :shard AND owner = :owner AND epoch = :epoch RETURNING mark"
_CHECKPOINT = """
UPDATE leases SET mark = max(coalesce(mark, x''), :mark)
WHERE shard = :shard AND owner = :owner AND epoch = :epoch
RETURNING mark"""
_RELEASE = "UPDATE leases SET owner = '', until = 0 WHERE shard = :shard AND owner = :owner AND epoch = :epoch RETURNING mark"
_MARKS = "SELECT shard, mark FROM leases"


class SqliteLeases:
    """Who publishes which shard, and how far. Time is the clock's, which all processes on this machine share."""

    def __init__(self, connections: Connections, clock: Clock, shards: int) -> None:
        self._connections = connections
        self._clock = clock
        self._shards = shards

    async def acquire(self, shard: int, owner: str, life: int) -> Lease | None:
        """Take it if it is free, expired or our own."""
        now = self._clock.now()
        found = await self._one(_ACQUIRE, {"shard": shard, "owner": owner, "until": now + life, "now": now})
        return None if found is None else Lease(shard, owner, found[0], now + life, _mark(found[1]))

    async def renew(self, lease: Lease, life: int) -> Lease | None:
        """Prolong it. One that ended, but that nobody took since, is still ours."""
        until = self._clock.now() + life
        found = await self._one(_RENEW, {**_ours(lease), "until": until})
        return None if found is None else Lease(lease.shard, lease.owner, lease.epoch, until, _mark(found[0]))

    async def checkpoint(self, lease: Lease, mark: Pos) -> bool:
        """Move the mark forward, if the lease is still ours."""
        return await self._one(_CHECKPOINT, {**_ours(lease), "mark": pack(mark)}) is not None

    async def release(self, lease: Lease) -> None:
        """Free it; a lease that was lost stays with its new owner."""
        await self._one(_RELEASE, _ours(lease))

    async def marks(self) -> Mapping[int, Pos | None]:
        """Every shard's mark."""
        found = await self._connections.reading.run(lambda connection: connection.execute(_MARKS).fetchall())
        return {**dict.fromkeys(range(self._shards)), **{shard: _mark(mark) for shard, mark in found}}

    async def _one(self, statement: str, parameters: Mapping[str, Any]) -> Any:
        return await self._connections.writing.run(_only(statement, parameters))


def _only(statement: str, parameters: Mapping[str, Any]) -> Callable[[sqlite3.Connection], Any]:
    def run(connection: sqlite3.Connection) -> Any:
        found = connection.execute(statement, parameters).fetchall()  # to the end, so that the statement commits
        return found[0] if found else None

    return run


def _ours(lease: Lease) -> dict[str, Any]:
    return {"shard": lease.shard, "owner": lease.owner, "epoch": lease.epoch}


def _mark(packed: bytes | None) -> Pos | None:
    return None if packed is None else unpack(packed)
