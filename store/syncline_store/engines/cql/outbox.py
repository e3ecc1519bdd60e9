"""The outbox's rows: inserted with their documents, or alone; read minute by minute, without touching those that have none."""

import secrets
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from cassandra.query import UNSET_VALUE, BatchStatement, BatchType, BoundStatement

from syncline_contracts.errors import StorageUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_store.engines.columns import decoded, encoded
from syncline_store.engines.cql.bounded import Bounded
from syncline_store.engines.cql.position import MINUTE, Positions, floor, position
from syncline_store.engines.cql.session import CqlSession, Statement
from syncline_store.engines.cql.statements import outbox as statements
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.together import together

PUNCTUAL = 5.0
"""Seconds that a write may take before its rows are written once more: half of the relay's short overlap."""
TOO_SLOW = "the servers take more than five seconds for a write, so the relay could miss its events: look at their load"
_ATTEMPTS = 5
_ROWS_TOGETHER = 100
_MINUTES_TOGETHER = 16
_FEW_MINUTES = 2
_OPEN_MINUTES = 10_000
_MARGIN = 3_600
"""Seconds that a minute's entry outlives its rows."""


class CqlOutbox:
    """Insert-only rows in partitions of a shard and a minute. A batch's rows go to one shard, each batch's to the next."""

    def __init__(self, session: CqlSession, positions: Positions) -> None:
        self._session = session
        self._positions = positions
        self._life = session.settings.outbox_life
        self.shards = session.settings.shards
        """How many there are: 0..shards-1. What the keyspace says, once it is migrated."""
        self._batches = count(secrets.randbelow(1 << 16))
        self._opened: Bounded[tuple[int, int], float] = Bounded(_OPEN_MINUTES)

    @property
    def lateness(self) -> int:
        """What the settings say, in µs."""
        return int(self._session.settings.outbox_lateness * 1e6)

    async def append(self, events: Sequence[ChangeEvent], due: int | None = None) -> None:
        """Rows without a document write, all in one shard; with `due`, at that time. Raises StorageUnavailable."""
        if events and not await self._append(events, due) and not await self.append_again(events):
            raise StorageUnavailable(TOO_SLOW)

    async def append_again(self, events: Sequence[ChangeEvent]) -> bool:
        """Fresh rows for events whose write took so long that every overlap may have passed them by. False: late each time, too."""
        for _ in range(_ATTEMPTS):
            if await self._append(events, None):
                return True
        return False

    async def read(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[OutboxRow]:
        """Rows with after < pos <= until, in order."""
        return [_row(shard, columns) for columns in await self._between(statements.READ, shard, after, until, limit)]

    async def places(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[Pos]:
        """Where they stand."""
        return [position(place) for (place,) in await self._between(statements.PLACES, shard, after, until, limit)]

    async def place(self) -> "Place":
        """Where the next batch's rows go. Its minute is entered in the directory first, so that no row is ever hidden there."""
        return await self._place_at(self._positions.now(), self._life)

    async def _place_at(self, at: int, life: int) -> "Place":
        is_late = watch()
        shard, minute = next(self._batches) % self.shards, at // MINUTE
        insert = await self._session.prepared(statements.INSERT)
        await self._open(shard, minute, life)

        def row(event: ChangeEvent) -> BoundStatement:
            return insert.bind((shard, minute, self._positions.draw(at), *_columns(event), life))

        return Place(row, is_late)

    async def _open(self, shard: int, minute: int, life: int) -> None:
        ends = time.monotonic() + life
        if (self._opened.get((shard, minute)) or 0.0) < ends:
            await self._session.run(statements.OPEN_MINUTE, shard, minute, life + 2 * _MARGIN)
            self._opened.put((shard, minute), ends + _MARGIN)

    async def _append(self, events: Sequence[ChangeEvent], due: int | None) -> bool:
        now = self._positions.now()
        at = now if due is None else due
        place = await self._place_at(at, self._life + max(0, (at - now) // 1_000_000))
        rows = [place.row(event) for event in events]
        await together(self._insert(rows[n : n + _ROWS_TOGETHER]) for n in range(0, len(rows), _ROWS_TOGETHER))
        return not place.is_late()

    async def _insert(self, rows: Sequence[BoundStatement]) -> None:
        """Rows of one partition: one mutation, which needs no log."""
        batch = BatchStatement(BatchType.UNLOGGED)
        for row in rows:
            batch.add(row)
        await self._session.execute(batch)

    async def _between(self, statement: Statement, shard: int, after: Pos, until: Pos, limit: int) -> list[Any]:
        first, last = floor(after), floor(until)
        rows: list[Any] = []
        minutes = await self._minutes(shard, after.at // MINUTE, until.at // MINUTE)
        at, span = 0, 1
        while at < len(minutes) and len(rows) < limit:
            some = minutes[at : at + span]
            found = await together(self._session.run(statement, shard, minute, first, last, limit) for minute in some)
            rows += [columns for part in found for columns in part]
            at += len(some)
            span = min(2 * span, _MINUTES_TOGETHER)
        return rows[:limit]

    async def _minutes(self, shard: int, first: int, last: int) -> Sequence[int]:
        """Those that have rows; a relay that is up to date looks at one or two, for which asking first is not worth it."""
        if last - first < _FEW_MINUTES:
            return range(first, last + 1)
        return [minute for (minute,) in await self._session.run(statements.MINUTES, shard, first, last)]


class Place:
    """A shard and a minute for one batch. `is_late` tells, after the batch, whether its rows became readable too late."""

    __slots__ = ("is_late", "row")

    def __init__(self, row: Callable[[ChangeEvent], BoundStatement], is_late: Callable[[], bool]) -> None:
        self.row = row
        self.is_late = is_late


def watch() -> Callable[[], bool]:
    """Call it where positions are drawn; what it gives tells whether more time has passed since than rows may take."""
    drawn = time.monotonic()
    return lambda: time.monotonic() - drawn > PUNCTUAL


def _columns(event: ChangeEvent) -> tuple[Any, ...]:
    """A null would be a tombstone: what is not there is not written."""
    return (
        event.id,
        event.tenant,
        encoded(event.namespace),
        event.key,
        event.revision,
        event.kind.value,
        event.expires_at,
        event.first_at,
        UNSET_VALUE if event.expects is None else event.expects,
        UNSET_VALUE if event.traceparent is None else event.traceparent,
    )


def _row(shard: int, found: tuple[Any, ...]) -> OutboxRow:
    place, event, tenant, namespace, key, revision, kind, expires_at, first_at, expects, traceparent = found
    return OutboxRow(
        shard,
        position(place),
        ChangeEvent.stored(
            id=event,
            tenant=tenant,
            namespace=decoded(namespace),
            key=key,
            revision=revision,
            kind=Kind(kind),
            expires_at=expires_at,
            first_at=first_at,
            expects=expects,
            traceparent=traceparent,
        ),
    )
