"""The first look: both sides range by range, one range in memory at a time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np

from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine, Heads
from syncline_store.index.index import Index
from syncline_store.index.scan import IndexPoints
from syncline_sync_worker.reconcile.columns import NO_HEADS, NO_POINTS, of_tenant, together
from syncline_sync_worker.reconcile.compare import Differences, compare
from syncline_sync_worker.reconcile.findings import Sides
from syncline_sync_worker.reconcile.horizon import Horizon, read_horizon
from syncline_sync_worker.reconcile.scope import Scope, cut
from syncline_sync_worker.reconcile.unhandled import DIRECT, Unhandled

_CHANCE = np.random.default_rng()


@dataclass(frozen=True, slots=True)
class Compared:
    """A range of segments: what was read, where it differs, and what may be in flight. `done` of `total` ranges."""

    done: int
    total: int
    sides: Sides
    differences: Differences
    horizon: Horizon

    def sample(self, share: float) -> list[Ref]:
        """About this share of the documents that are in step and not in flight, drawn at random."""
        rows = self.differences.in_step
        rows = rows[~self.horizon.young(self.sides.heads.revisions[rows])]
        chosen = rows if share >= 1 else rows[_CHANCE.random(len(rows)) < share]
        return [self.sides.heads.refs[row] for row in chosen.tolist()]


async def walk(
    engine: Engine, index: Index, clock: Clock, scope: Scope, *, settle: int, per_range: int, unhandled: Unhandled = DIRECT
) -> AsyncIterator[Compared]:
    """Compare range after range. The time, the horizon and the source are read before the index (D1)."""
    documents = max(await engine.documents.estimate(), await index.count())
    ranges = list(cut(scope.segments, documents, per_range))
    for number, segments in enumerate(ranges, 1):
        horizon = await read_horizon(engine, clock, settle, unhandled)
        heads = await _heads(engine, segments, scope.tenant)
        points = await _points(index, segments, scope.tenant)
        sides = Sides(heads, points, index.model, clock.now())
        # sorts tens of thousands of ids: not on the event loop
        differences = await asyncio.to_thread(compare, heads, points, model=index.model, now=sides.now)
        yield Compared(number, len(ranges), sides, differences, horizon)


async def _heads(engine: Engine, segments: range, tenant: str | None) -> Heads:
    blocks = [block async for block in engine.documents.heads(segments.start, segments.stop - 1)]
    return together(blocks if tenant is None else [of_tenant(block, tenant) for block in blocks], NO_HEADS)


async def _points(index: Index, segments: range, tenant: str | None) -> IndexPoints:
    blocks = [block async for block in index.scan(segments.start, segments.stop - 1)]
    return together(blocks if tenant is None else [of_tenant(block, tenant) for block in blocks], NO_POINTS)
