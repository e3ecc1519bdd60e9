"""The first look: both sides range by range, one range in memory at a time, and the source's side of the next."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.ahead import ahead
from syncline_store.engines.protocol import Engine, Heads
from syncline_store.index.index import Index
from syncline_store.index.scan import IndexPoints
from syncline_sync_worker.reconcile.collecting import rare_collections
from syncline_sync_worker.reconcile.columns import NO_HEADS, NO_POINTS, Ids, points_within, together, within
from syncline_sync_worker.reconcile.compare import Differences, compare
from syncline_sync_worker.reconcile.findings import Sides
from syncline_sync_worker.reconcile.horizon import Horizon, read_horizon
from syncline_sync_worker.reconcile.scope import Scope, cut
from syncline_sync_worker.reconcile.settle import Settle
from syncline_sync_worker.reconcile.unhandled import DIRECT, Unhandled

_CHANCE = np.random.default_rng()
_PAGE = 5_000
"""Points that are asked for at once: some 2 MB of JSON, and 10 MB of payloads."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A range of segments: what was read, where it differs, and what may be in flight. `done` of `total` ranges.

    `misnamed`: ids of documents that are meant, of which a point says that it is not.
    """

    done: int
    total: int
    segments: range
    sides: Sides
    differences: Differences
    horizon: Horizon
    misnamed: Ids

    def sample(self, share: float) -> list[Ref]:
        """About this share of the documents that are in step and not in flight, drawn at random, and all that are misnamed."""
        rows, heads = self.differences.in_step, self.sides.heads
        rows = rows[~self.horizon.young(heads.revisions[rows])]
        chosen = rows[(_CHANCE.random(len(rows)) < share) | self._misnamed(heads.ids[rows])]
        return [heads.refs[row] for row in chosen.tolist()]

    def _misnamed(self, ids: Ids) -> npt.NDArray[np.bool_]:
        if not len(self.misnamed):
            return np.zeros(len(ids), np.bool_)
        misnamed = set(map(tuple, self.misnamed.tolist()))
        return np.fromiter((tuple(document) in misnamed for document in ids.tolist()), np.bool_, len(ids))


@dataclass(frozen=True, slots=True)
class Source:
    """The source's side of a range. The horizon is the older."""

    segments: range
    horizon: Horizon
    heads: Heads


async def walk(
    engine: Engine,
    index: Index,
    clock: Clock,
    scope: Scope,
    *,
    settle: Settle,
    per_range: int,
    unhandled: Unhandled = DIRECT,
    begin: int | None = None,
    overdue: int | None = None,
) -> AsyncGenerator[Compared, None]:
    """Compare range after range, from segment `begin` on. The time, the horizon and the source are read before the index (D1).

    `overdue`: µs after its expiry at which a point should long have been swept; None: nobody asks.
    """
    documents = max(await engine.documents.estimate(), await index.count())
    left = scope.segments if begin is None else range(begin, scope.segments.stop)
    ranges = list(cut(left, documents, per_range))
    number, reading = 0, ahead(_sources(engine, clock, scope, ranges, settle=settle, unhandled=unhandled))
    with rare_collections():
        async with aclosing(reading) as sources:
            async for source in sources:
                number += 1
                points, misnamed = await _points(index, source, scope)
                sides = Sides(source.heads, points, index.model, clock.now())
                # sorts tens of thousands of ids: not on the event loop
                differences = await asyncio.to_thread(compare, sides.heads, points, model=index.model, now=sides.now, overdue=overdue)
                differences = differences.only(scope.meant(differences.since))
                yield Compared(number, len(ranges), source.segments, sides, differences, source.horizon, misnamed)


async def _sources(
    engine: Engine, clock: Clock, scope: Scope, ranges: Sequence[range], *, settle: Settle, unhandled: Unhandled
) -> AsyncGenerator[Source, None]:
    """Each read while the index's points of the range before are."""
    for segments in ranges:
        horizon = await read_horizon(engine, clock, settle, unhandled)
        heads = await _heads(engine, segments, scope)
        yield Source(segments, horizon, heads)


async def _heads(engine: Engine, segments: range, scope: Scope) -> Heads:
    return together([within(block, scope) async for block in engine.documents.heads(segments.start, segments.stop - 1)], NO_HEADS)


async def _points(index: Index, source: Source, scope: Scope) -> tuple[IndexPoints, Ids]:
    """Also the ids of documents that are meant, of which a point says that it is not."""
    segments, ids = source.segments, source.heads.ids
    blocks = [points_within(block, scope, ids) async for block in index.scan(segments.start, segments.stop - 1, _PAGE)]
    return together([points for points, _ in blocks], NO_POINTS), np.concatenate([ids[:0], *(misnamed for _, misnamed in blocks)])
