"""A check's memory is bounded by its range of documents, not by how many there are: SQLite, and an index by URL."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.revision import Clock
from syncline_store.document import Row, Write
from syncline_store.engines.sqlite import SqliteEngine, open_sqlite
from syncline_store.index.index import Index
from syncline_store.index.points import VECTOR
from syncline_store.indexing.decide import Content
from syncline_store.indexing.passages import Passage
from syncline_store.indexing.points import living
from tests.faults.walking import EMBEDDER, document

ROOT = Path(__file__).resolve().parents[2]
RANGE = 2_000
FEW = 5_000
MANY = 30_000
SOAKED = 200_000
MOST_ABOVE = 38.0
"""MB that many documents may take more than a few: SQLite's page caches fill, then nothing grows. In one range they take more."""
BATCH = 1_000
VECTORS = np.full((1, EMBEDDER.dimensions), 0.5, np.float32)


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from Linux's /proc")
async def test_a_walk_holds_a_range(*, tmp_path: Path, qdrant_url: str, soak: bool, figure: Callable[[str], None]) -> None:
    database, collection, many = str(tmp_path / "documents.db"), uuid4().hex, SOAKED if soak else MANY
    await fill(database, qdrant_url, collection, range(FEW))
    few = checked(database, qdrant_url, collection, FEW, RANGE)
    await fill(database, qdrant_url, collection, range(FEW, many))
    peak = checked(database, qdrant_url, collection, many, RANGE)
    whole = checked(database, qdrant_url, collection, many, many)
    told = f"{few:.0f} MB for {FEW:,} documents, {peak:.0f} MB for {many:,}; those in one range {whole:.0f} MB"
    figure(f"peak of memory of a check in ranges of {RANGE:,}: {told}")
    assert peak - few < MOST_ABOVE < whole - few


def checked(database: str, url: str, collection: str, documents: int, per_range: int) -> float:
    """The peak of a check's process, in MB."""
    command = [sys.executable, "-m", "tests.faults.walking", database, url, collection, str(per_range)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["verdict"], told["documents"], told["points"]) == ("in_step", documents, documents)
    return float(told["peak_mb"])


async def fill(database: str, url: str, collection: str, numbers: range) -> None:
    """Both sides in step, without relay and handler."""
    engine = await open_sqlite(database, clock=Clock())
    index = await Index.open(url, collection=collection, embedder=EMBEDDER)
    await index.claim(await engine.identity())
    raw = AsyncQdrantClient(url=url, timeout=60)
    for begin in range(numbers.start, numbers.stop, BATCH):
        writes = [document(number) for number in range(begin, min(begin + BATCH, numbers.stop))]
        await engine.documents.write(writes)
        await raw.upsert(collection, [point(engine, write) for write in writes], wait=True)
    await raw.close()
    await index.aclose()
    await engine.aclose()


def point(engine: SqliteEngine, write: Write) -> models.PointStruct:
    event = write.event
    row = Row(
        ref=event.ref,
        revision=event.revision,
        value=write.value,
        content_hash=write.content_hash,
        write_id=event.id,
        deleted=False,
        index_spec=write.index_spec,
        expires_at=event.expires_at,
        created_at=event.revision,
        updated_at=event.revision,
    )
    content = Content([Passage("", 0, 10)], "0" * 32, {})
    (made,) = living(event.ref, row, content, VECTORS, model=EMBEDDER.model, segment=engine.documents.segment(event.ref))
    return models.PointStruct.model_construct(id=made.id, vector={VECTOR: made.vector.tolist()}, payload=made.payload)
