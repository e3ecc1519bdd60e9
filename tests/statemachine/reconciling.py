"""The reconciler over a state machine's world: its marks, its one tenant, and damage behind its back."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.drift import DriftKind, DriftReport
from syncline_contracts.identity import SEGMENTS, Ref
from syncline_store.document import INDEX_NOT, Row
from syncline_store.engines.protocol import Pos
from syncline_store.index.points import VECTOR, Mark
from syncline_sync_worker.reconcile.reconciler import Reconciler
from syncline_sync_worker.reconcile.scope import Scope
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from tests.crash.damages import HOUR, WAYS, Target, Way
from tests.parts.damage import Damage
from tests.statemachine.world import World
from tests.unit.test_reconcile_compare import Head, Held, oracle

KEYS = ["a", "b", "c"]
BY_SAMPLE = {DriftKind.CORRUPT, DriftKind.PAYLOAD}
"""What the columns do not show."""
LEASE = 3_600_000_000


@dataclass(frozen=True)
class Point:
    """What a point holds; no vector: it has none."""

    payload: Mapping[str, Any]
    vector: Sequence[float]

    def same(self, other: "Point") -> bool:
        """An embedder may round differently from batch to batch."""
        return self.payload == other.payload and len(self.vector) == len(other.vector) and np.allclose(self.vector, other.vector, atol=1e-4)


def all_the_same(one: Mapping[str, Point], other: Mapping[str, Point]) -> bool:
    """Of one document."""
    return one.keys() == other.keys() and all(point.same(other[name]) for name, point in one.items())


def kind_of(row: Row | None, points: Mapping[str, Point], now: int, model: str) -> DriftKind | None:
    """What the columns show of a document whose living points these are."""
    head = None if row is None else Head(0, row.revision, row.content_hash, row.expires_at, row.deleted, row.index_spec != INDEX_NOT)
    held = [_held(point.payload) for point in points.values()]
    kind = oracle(head, held, now=now, model=model)
    twice = len({point.passage for point in held}) < len(held)
    return DriftKind.DUPLICATE if twice and kind in (None, DriftKind.PASSAGE_GAP, DriftKind.WRONG_MODEL) else kind


def _held(payload: Mapping[str, Any]) -> Held:
    return Held(
        passage=payload["passage"],
        passages=payload["passages"],
        revision=payload["revision"],
        content=bytes.fromhex(payload["content_hash"]),
        expires_at=payload["expires_at"],
        model=payload["model"],
    )


async def no_time(_seconds: float) -> None:
    """So that nothing expires between the report and what it is compared with."""


class Reconciling:
    """Checks, repairs and damages one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        parts = world.store.parts
        self._engine = parts.engine
        self.reconciler = Reconciler(
            parts.engine,
            world.index,
            parts.embedder,
            parts.settings.indexing_settings,
            clock=world.clock,
            settings=ReconcileSettings(few=1_000),
            overdue=parts.settings.tombstone_grace_us + HOUR,
            sleep=no_time,
        )

    @property
    def scope(self) -> Scope:
        """Everything, or a world's own tenant where the storage is that of others too."""
        return Scope() if self.world.alone else Scope(self.world.tenant)

    def possible(self, passages: int, *, to_last: bool = False) -> Sequence[str]:
        """In which ways a document of so many passages can be damaged; with `to_last` those that a sweep does not end."""
        ways = [name for name, way in WAYS.items() if way.passages <= passages]
        return [name for name in ways if WAYS[name].kind is not DriftKind.EXPIRED] if to_last else ways

    async def marks_at(self, before: int) -> None:
        """All events placed before this time are handled (µs since 1970)."""
        for shard in range(self._engine.outbox.shards):
            lease = await self._engine.leases.acquire(shard, "test", LEASE)
            assert lease is not None
            await self._engine.leases.checkpoint(lease, Pos(before))
            await self._engine.leases.release(lease)

    async def check(self) -> DriftReport:
        """Everything of this tenant, its vectors too."""
        report = await self.reconciler.check(self.scope, sample=1.0)
        assert report.refused is None
        return report

    async def passages(self, key: str) -> int:
        """Of a document that is in step: those with a text."""
        points = (await self.world.points([key]))[key]
        held = await self.world.index.vectors(await self._ids(self.world.ref(key)))
        return 0 if not held else len([point for point in points if point.live])

    async def _ids(self, ref: Ref) -> list[str]:
        document = ref.document
        found: list[str] = []
        async for block in self.world.index.scan(0, SEGMENTS - 1):
            words = (document.int >> 64, document.int & (1 << 64) - 1)
            found += [point for point, held in zip(block.ids, block.documents.tolist(), strict=True) if tuple(held) == words]
        return found

    async def harm(self, ways: Mapping[str, str], seed: int) -> dict[str, DriftKind]:
        """Damage documents: key -> the way's name. What a report must say then: key -> kind."""
        expected = {}
        for key, name in ways.items():
            way = WAYS[name]
            points = [point for point in (await self.world.points([key]))[key] if point.live]
            target = Target(self.world.ref(key), len(points), random.Random(seed), self.world.clock.now())
            await self.world.index._client.call(partial(_harm, way=way, target=target))
            expected[target.stranger.key if way.on_stranger else key] = way.kind
        self.world.index._writes._highest = None  # type: ignore[attr-defined] # as in a folder that somebody else wrote to (decision 0004)
        return expected

    async def held(self) -> dict[str, Mapping[str, Point]]:
        """What searches may meet of each document, stranger or not, as the raw client reads it: key -> the points' ids -> what they hold."""
        refs = [self.world.ref(key) for key in self.keys]
        found: dict[str, dict[str, Point]] = {ref.key: {} for ref in refs}
        key_of = {str(ref.document): ref.key for ref in refs}
        now = self.world.clock.now()
        for record in await self.world.index._client.call(_everything):
            payload = record.payload or {}
            key = key_of.get(str(payload.get("document")))
            if key is not None and payload.get("mark") == Mark.LIVE and payload["expires_at"] > now:
                found[key][str(record.id)] = Point(payload, (record.vector or {}).get(VECTOR, []))
        return dict(found)

    @property
    def keys(self) -> Sequence[str]:
        """Of all documents that may be there."""
        return [*KEYS, *(f"stranger-{key}" for key in KEYS)]

    async def mend(self, report: DriftReport) -> None:
        """As a repair does."""
        repaired = await self.reconciler.repair(report)
        assert (repaired.refused, repaired.repaired) == (None, len(report.findings))


_COLLECTION = "syncline"


async def _everything(raw: AsyncQdrantClient) -> list[models.Record]:
    found, more = await raw.scroll(_COLLECTION, limit=10_000, with_payload=True, with_vectors=True)
    assert more is None
    return found


async def _harm(raw: AsyncQdrantClient, *, way: Way, target: Target) -> object:
    return await way.do(Damage(raw, _COLLECTION), target)


def kinds(report: DriftReport) -> dict[str, DriftKind]:
    """Each finding's kind by the document's key."""
    found = {finding.key: finding.kind for finding in report.findings}
    assert len(found) == len(report.findings)
    return found
