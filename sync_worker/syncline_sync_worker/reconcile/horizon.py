"""Which differences may still be in flight: those of writes whose events nobody has handled yet.

Two delayed looks alone report in-flight writes as soon as the lag passes the settle window (docs/protocol.md, D1). So before
each look at both sides the oldest unhandled event is asked for, and nothing newer than it is reported.

An event lies in the outbox behind a mark, then in the transport, and perhaps in the outbox again, when it is deferred. So the order is:
the marks, the transport, and last the rows behind those marks. Whichever way an event goes meanwhile, one of the two sees it: a row is
never taken away, and a deferred one stands behind the marks that were read.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncline_contracts.identity import Ref
from syncline_contracts.revision import MAX_AHEAD, Clock
from syncline_store.engines.protocol import Engine, OutboxRow, Pos
from syncline_store.indexing.pages import OUTBOX_LIFE, pages
from syncline_sync_worker.reconcile.settle import Settle
from syncline_sync_worker.reconcile.unhandled import DIRECT, Unhandled

FURTHEST_DUE = 600_000_000
"""How far ahead of now a deferred event may stand, in µs: after ten minutes the source is taken as it is (docs/protocol.md)."""
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Horizon:
    """Read before both sides. Differences that are newer than `before` may be in flight. Times are µs since 1970."""

    now: int
    before: int

    def young(self, since: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of these newest revisions may be of a write in flight; one beyond what any clock may draw is not."""
        young: npt.NDArray[np.bool_] = (since >= self.before) & (since <= self.now + MAX_AHEAD)
        return young


async def read_horizon(engine: Engine, clock: Clock, settle: Settle, unhandled: Unhandled = DIRECT) -> Horizon:
    """The oldest event that may be unhandled, the settle window at least. Raises Unavailable."""
    now = clock.now()
    marks = await engine.leases.marks()
    published = await unhandled.oldest()
    if published is not None:
        settle.measured(now - published, now)
    before = now - max(settle.window(now), engine.outbox.lateness)
    before = before if published is None else min(before, published)
    for shard in range(engine.outbox.shards):
        first = await engine.outbox.read(shard, _begin(marks.get(shard), now), _end(now), 1)
        before = min([before, *(row.pos.at for row in first)])
    return Horizon(now, before)


async def in_flight(engine: Engine, clock: Clock, refs: Collection[Ref], unhandled: Unhandled = DIRECT) -> set[Ref]:
    """Those of the documents that have an unhandled event.

    This sees what a revision's age does not tell: a refresh of an expiry (its revision is the row's), a repair, a write that stalled
    between drawing its revision and its commit, a deferred event. Costs a read of all unhandled events; memory is a page, and what is
    found of the documents asked for. Raises Unavailable.
    """
    wanted = set(refs)
    if not wanted:
        return set()
    marks = await engine.leases.marks()
    published = await unhandled.among(wanted)
    return published | {row.event.ref async for row in _behind(marks, engine, clock.now()) if row.event.ref in wanted}


async def _behind(marks: Mapping[int, Pos | None], engine: Engine, now: int) -> AsyncIterator[OutboxRow]:
    for shard in range(engine.outbox.shards):
        async for page in pages(engine.outbox, shard, _begin(marks.get(shard), now), _end(now), PAGE):
            for row in page:
                yield row


def _begin(mark: Pos | None, now: int) -> Pos:
    return Pos(now - OUTBOX_LIFE) if mark is None else mark


def _end(now: int) -> Pos:
    return Pos(now + FURTHEST_DUE)
