"""Refreshing: a document that has a life is given another one from now, as long as the one that it was put with.

Its row is written again as it is, at its own revision, with a later expires_at. Whatever was written meanwhile has a later revision and
wins: nothing is lost, and nothing that was deleted comes back (architecture, section 3).

How long its life is, a row does not say; what it says is when it ends. A put's end is whole seconds after its updated_at (a conditional
write's revision is the server's, which no end was counted from). A refreshed one's is not: the part of a second is the logarithm of the
life, fine enough to be exact up to 14 hours, and to 0.001 % beyond.
"""

import math
from collections.abc import Iterable
from datetime import datetime

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.revision import NEVER
from syncline_store import tracing
from syncline_store.document import Document, Row, Write
from syncline_store.limits import MAX_TTL

SECOND = 1_000_000
"""In µs."""
_SCALE = (SECOND - 2) / math.log(MAX_TTL)
_ABOUT = 1.0001
"""How much longer than itself a life may seem; what says more was not made here."""
LAST_MINUTE = 60 * SECOND
"""Where the storage ends lives by itself: compaction may have made a dead cell of it already, and dead wins at the same timestamp."""


def since(revision: int, updated_at: int, expires_at: int) -> int:
    """From when on its life is counted: its updated_at; in rows of the first releases its revision."""
    return revision if (expires_at - revision) % SECOND == 0 else updated_at


def life(since: int, expires_at: int) -> int:
    """How long it lives, in seconds, from its put or its last refresh on. At least 1."""
    whole, part = divmod(expires_at - since, SECOND)
    said = round(math.exp((part - 1) / _SCALE)) if part else whole
    return max(1, said if said <= (whole + 1) * _ABOUT else whole)


def renewed(since: int, seconds: int, now: int) -> int:
    """When it ends if it is refreshed now; within half a second."""
    part = 1 + round(math.log(seconds) * _SCALE)
    return since + (round((now - since - part) / SECOND) + seconds) * SECOND + part


def is_due(since: int, expires_at: int, now: int, *, guarded: bool) -> bool:
    """Whether to refresh: a tenth of its life is gone. With `guarded` not in its last minute, when it may be too late."""
    if not now < expires_at < NEVER or (guarded and expires_at - now < LAST_MINUTE):
        return False
    return expires_at - now <= life(since, expires_at) * SECOND * 9 // 10


def due(documents: Iterable[Document], now: int, *, guarded: bool) -> list[Document]:
    """Those of the documents that were read which are to be refreshed."""
    return [
        document
        for document in documents
        if document.expires_at is not None and _is_due(document, _us(document.expires_at), now, guarded=guarded)
    ]


def _is_due(document: Document, expires_at: int, now: int, *, guarded: bool) -> bool:
    began = since(document.revision, _us(document.updated_at), expires_at)
    return is_due(began, expires_at, now, guarded=guarded)


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * SECOND)


def refreshed(row: Row, now: int, *, guarded: bool) -> Write | None:
    """The row's write with a later end; None where it is not due, or not alive any more."""
    began = since(row.revision, row.updated_at, row.expires_at)
    if row.deleted or not is_due(began, row.expires_at, now, guarded=guarded):
        return None
    ends = renewed(row.updated_at, life(began, row.expires_at), now)
    if ends <= row.expires_at:
        return None
    touch = ChangeEvent.of(row.ref, row.revision, Kind.TOUCH, first_at=now, expires_at=ends, traceparent=tracing.traceparent())
    event = touch.model_copy(update={"id": row.write_id})
    rest = math.ceil((ends - now) / SECOND)
    return Write(row.value, row.content_hash, row.index_spec, event, rest, (row.created_at, row.updated_at))
