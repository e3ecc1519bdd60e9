"""Reading the outbox: where a reader begins, the rows page by page, and the mark it may leave. For the relay and for the catch-up."""

from collections.abc import AsyncIterator, Sequence

from syncline_store.engines.protocol import Lease, Outbox, OutboxRow, Pos

OUTBOX_LIFE = 3 * 24 * 3_600_000_000
"""How long an outbox row lives, in µs: three days (architecture, section 3)."""


def begin(lease: Lease, now: int, life: int = OUTBOX_LIFE) -> Pos:
    """Where to read on: behind the mark; without one at the oldest row that can still be there (R4), never at now."""
    return Pos(now - life) if lease.mark is None else lease.mark


def low_water_mark(swept: int, overlap: int, read: Pos, oldest_intent: Pos | None) -> Pos:
    """Where a successor may begin without missing a row.

    The time up to which the last completed sweep read, minus the overlap (both µs); never past what was read, nor past the
    oldest intent held. Rows behind it were read after they could no longer surface, and what they led to is durable
    (architecture, invariant 6). Were it the place read last, a row that surfaced a little late would be lost with this reader
    (R1); were it past an intent, that would be (C3).
    """
    mark = min(Pos(swept - overlap), read)
    return mark if oldest_intent is None else min(mark, Pos(oldest_intent.at - 1))


async def pages(outbox: Outbox, shard: int, after: Pos, until: Pos, limit: int) -> AsyncIterator[Sequence[OutboxRow]]:
    """The rows with after < pos <= until in order, `limit` at a time. Raises StorageUnavailable."""
    while rows := await outbox.read(shard, after, until, limit):
        yield rows
        if len(rows) < limit:
            return
        after = rows[-1].pos
