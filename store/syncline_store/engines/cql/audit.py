"""The audit: rows in partitions of a day, which end by their TTL."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from cassandra.query import UNSET_VALUE

from syncline_contracts.audit import AuditRecord
from syncline_contracts.revision import Clock
from syncline_store.engines.columns import decoded, encoded
from syncline_store.engines.cql.session import CqlSession, Statement
from syncline_store.engines.cql.statements import audit as statements
from syncline_store.engines.cursor import decode_cursor, encode_cursor, foreign_cursor
from syncline_store.engines.protocol import EVERY_RECORD, AuditFilter, Page
from syncline_store.together import together

DAY = 86_400_000_000
_DAYS_TOGETHER = 16
_NAMES = statements.COLUMNS.split(", ")
_NOBODY = uuid.UUID(int=0)
"""Sorts before every other: a place between two times."""


class CqlAudit:
    """Who did what. Few rows: the filter looks at what was read."""

    def __init__(self, session: CqlSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._life = session.settings.audit_life

    async def record(self, records: Sequence[AuditRecord]) -> None:
        """Durable on return."""
        await together(self._session.run(statements.INSERT, record.at // DAY, *_columns(record), self._life) for record in records)

    async def scan(
        self, after: str | None, limit: int, *, where: AuditFilter = EVERY_RECORD, newest_first: bool = True
    ) -> Page[AuditRecord]:
        """A page. Raises InvalidQuery for a cursor that is not this listing's."""
        first, last = self._bounds(where)
        place = (last if newest_first else first, _NOBODY) if after is None else _place(after)
        days = range(place[0] // DAY, first // DAY - 1, -1) if newest_first else range(place[0] // DAY, last // DAY + 1)
        rows = await self._read(statements.BACK if newest_first else statements.ON, days, place, limit)
        records = [_record(columns) for columns in rows]
        more = encode_cursor(records[-1].at, records[-1].id.hex) if limit and len(records) == limit else None
        return Page([record for record in records if where.matches(record)], more)

    def _bounds(self, where: AuditFilter) -> tuple[int, int]:
        """No record is older than its life, nor newer than a clock that is ahead."""
        now = self._clock.now()
        oldest, newest = now - self._life * 1_000_000 - DAY, now + DAY
        return max(oldest, where.since or oldest), min(newest, where.until or newest)

    async def _read(self, statement: Statement, days: Sequence[int], place: tuple[int, uuid.UUID], limit: int) -> list[Any]:
        """Most days have no records: the longer nothing is found, the more of them are asked at once."""
        rows: list[Any] = []
        at, span = 0, 1
        while at < len(days) and len(rows) < limit:
            some = days[at : at + span]
            for found in await together(self._session.run(statement, day, *place, limit) for day in some):
                rows += found
            at += len(some)
            span = min(2 * span, _DAYS_TOGETHER)
        return rows[:limit]


def _place(cursor: str) -> tuple[int, uuid.UUID]:
    at, record = decode_cursor(cursor, int, str)
    try:
        return at, uuid.UUID(hex=record)
    except ValueError:
        raise foreign_cursor(cursor) from None


def _columns(record: AuditRecord) -> tuple[Any, ...]:
    """What is not said stays unset: a null would be a tombstone."""
    namespace = UNSET_VALUE if record.namespace is None else encoded(record.namespace)
    tenant, key = (UNSET_VALUE if text is None else text for text in (record.tenant, record.key))
    details = json.dumps(record.details, ensure_ascii=False)
    return (record.id, record.at, record.who, record.action, tenant, namespace, key, details, record.outcome)


def _record(columns: Sequence[Any]) -> AuditRecord:
    found = dict(zip(_NAMES, columns, strict=True))
    found["namespace"] = None if found["namespace"] is None else decoded(found["namespace"])
    found["details"] = json.loads(found["details"])
    return AuditRecord.model_validate(found)
