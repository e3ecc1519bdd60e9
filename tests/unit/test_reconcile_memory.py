"""A walk's memory is bounded by its range, not by the collection: measured in a process of its own."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, overload

import numpy as np
import pytest

from syncline_contracts.identity import SEGMENTS, Ref
from syncline_contracts.revision import NEVER, Clock
from syncline_store.engines.protocol import Heads
from syncline_store.index.points import Mark
from syncline_store.index.scan import MARKS, IndexPoints
from syncline_store.settings import IndexingSettings
from syncline_store.testing import WordEmbedder
from syncline_sync_worker.reconcile import ReconcileSettings
from syncline_sync_worker.reconcile.reconciler import Reconciler

MODEL = WordEmbedder(32).model
START = 1_750_000_000_000_000
MOST_ABOVE = 30_000_000
"""Bytes that ten times the documents may take more."""


class Refs(Sequence[Ref]):
    """Refs that are made when they are looked at, as an engine's are."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Ref: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Ref]: ...
    def __getitem__(self, place: int | slice) -> Any:
        return Ref("acme", ("notes",), str(place))

    def __iter__(self) -> Iterator[Ref]:
        return (self[place] for place in range(self._count))


class PackedSides:
    """As many documents as asked, evenly over the segments, made up block by block; each `lost`-th has no point."""

    def __init__(self, documents: int, lost: int) -> None:
        self._each = documents / SEGMENTS
        self._lost = lost
        self.model, self.collection = MODEL, "packed"
        self.estimate = self.count = self._all
        self.segment = lambda _ref: 0

    async def _all(self) -> int:
        return int(self._each * SEGMENTS)

    async def source(self) -> None:
        """No stamp."""

    async def heads(self, first: int, last: int, block: int = 10_000) -> AsyncIterator[Heads]:
        for ids in self._ids(first, last, block):
            yield Heads(
                refs=Refs(len(ids)),
                ids=ids,
                content_hashes=ids,
                revisions=np.full(len(ids), START, np.int64),
                expires_at=np.full(len(ids), NEVER, np.int64),
                deleted=np.zeros(len(ids), np.bool_),
                indexed=np.ones(len(ids), np.bool_),
                segments=np.zeros(len(ids), np.int16),
            )

    async def scan(self, first: int, last: int, block: int = 10_000) -> AsyncIterator[IndexPoints]:
        for ids in self._ids(first, last, block):
            kept = ids[ids[:, 1] % self._lost != 0]
            count = len(kept)
            yield IndexPoints(
                ids=[str(number) for number in range(count)],
                refs=Refs(count),
                models=[MODEL] * count,
                documents=kept,
                content_hashes=kept,
                revisions=np.full(count, START, np.int64),
                expires_at=np.full(count, NEVER, np.int64),
                passage=np.zeros(count, np.int32),
                passages=np.ones(count, np.int32),
                marks=np.full(count, MARKS.index(Mark.LIVE), np.int8),
                segments=np.zeros(count, np.int16),
            )

    def _ids(self, first: int, last: int, block: int) -> Iterator[Any]:
        numbers = np.arange(int(first * self._each), int((last + 1) * self._each), dtype=np.uint64)
        for begin in range(0, len(numbers), block):
            low = numbers[begin : begin + block]
            yield np.stack([low * np.uint64(0x9E3779B97F4A7C15), low], axis=1)

    async def read(self, refs: Sequence[Ref]) -> list[None]:
        return [None] * len(refs)

    async def points(self, documents: Sequence[Any]) -> dict[Any, list[Any]]:
        return {document: [] for document in documents}


async def walk(documents: int, lost: int) -> dict[str, int]:
    """What a check says, and the most memory that this process ever had."""
    import resource  # noqa: PLC0415 - not there on every system; the test below is skipped there

    sides: Any = PackedSides(documents, lost)
    outbox = SimpleNamespace(lateness=0, shards=0)
    engine: Any = SimpleNamespace(
        documents=sides, outbox=outbox, namespaces=None, leases=SimpleNamespace(marks=_no_marks), identity=_nobody
    )
    settings = ReconcileSettings(max_findings=500, delay=0)
    reconciler = Reconciler(engine, sides, WordEmbedder(32), IndexingSettings(), clock=Clock(), settings=settings)
    report = await reconciler.check()
    found = {"documents": report.documents, "points": report.points, "listed": len(report.findings), "unlisted": report.unlisted}
    return found | {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)}


async def _nobody() -> str:
    return "a store"


async def _no_marks() -> dict[int, None]:
    return {}


WALKS = [(20_000, 7), (20_000, 1), (200_000, 7), (200_000, 1)]
"""Documents, and which of them have no point: of the second and fourth walk, all."""


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_memory_is_flat_over_200_000_heads() -> None:
    """Where everything drifted, too: refs, suspects and looks are bounded by `max_findings`."""
    code = f"import asyncio, json; from {__name__} import walk; print(json.dumps([asyncio.run(walk(*each)) for each in {WALKS}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, int]] = json.loads(done.stdout)
    assert [each["documents"] for each in found] == [20_000, 20_000, 200_000, 200_000]
    assert [each["points"] for each in found] == [17_142, 0, 171_428, 0]
    few, many = found[1]["memory"], found[3]["memory"]
    assert many - few < MOST_ABOVE, f"{few:,} bytes for 20,000 documents, {many:,} for 200,000"
