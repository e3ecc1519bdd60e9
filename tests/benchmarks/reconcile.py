"""A check against a raw scan of both sides: the same columns from the same SQLite file, the same payload from the same local Qdrant."""

import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from syncline_contracts.drift import Verdict
from syncline_store.index.index import Index
from syncline_store.index.scan import COLUMNS as PAYLOAD
from syncline_store.parts import Parts, open_parts
from syncline_store.settings import store_settings
from syncline_store.store import Store
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.reconcile import ReconcileSettings
from syncline_sync_worker.reconcile.reconciler import Reconciler
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport import DirectPublisher
from tests.benchmarks.figure import Figure
from tests.parts.embedders import NullEmbedder

DOCUMENTS = 10_000
ROUNDS = 5
PAGE = 10_000
COLUMNS = "document, content_hash, revision, expires_at, deleted, index_spec, tenant, namespace, key"


async def fill(parts: Parts) -> None:
    store = Store(parts).tenant("bench")
    for first in range(0, DOCUMENTS, 1_000):
        await store.put_many((("notes",), f"n{number}", {"text": f"text {number}"}) for number in range(first, first + 1_000))
    handler = Handler(await parts.indexer(), parts.engine.dead_letters, clock=parts.clock)
    await Relay(parts.engine, DirectPublisher(handler), clock=parts.clock).drain()


async def check(reconciler: Reconciler) -> float:
    """Seconds. Nothing differs, so there is one look at each side, as on the raw side."""
    started = time.perf_counter()
    report = await reconciler.check()
    seconds = time.perf_counter() - started
    assert (report.verdict, report.documents, report.points) == (Verdict.IN_STEP, DOCUMENTS, DOCUMENTS)
    return seconds


async def raw(database: Path, index: Index, collection: str) -> float:
    """Seconds to read the same columns of both sides, best batches, and do nothing with them."""
    started = time.perf_counter()
    connection = sqlite3.connect(database)
    rows = connection.execute(f"SELECT {COLUMNS} FROM documents").fetchall()
    connection.close()

    async def scroll(qdrant: Any) -> int:
        points, after = 0, None
        while True:
            records, after = await qdrant.scroll(collection, limit=PAGE, offset=after, with_payload=PAYLOAD)
            points += len(records)
            if after is None:
                return points

    points = await index._client.call(scroll)
    seconds = time.perf_counter() - started
    assert (len(rows), points) == (DOCUMENTS, DOCUMENTS)
    return seconds


async def prepared(place: Path) -> tuple[Parts, Reconciler]:
    settings = store_settings(store=f"sqlite:///{place / 'documents.db'}", index=":memory:", indexing="relay")
    parts = await open_parts(settings, embedder=NullEmbedder(64))
    await fill(parts)
    index = await parts.index()
    careful = ReconcileSettings(settle=0)
    return parts, Reconciler(parts.engine, index, parts.embedder, settings.indexing_settings, clock=parts.clock, settings=careful)


async def bench() -> list[Figure]:
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        parts, reconciler = await prepared(Path(folder))
        index = await parts.index()
        for _ in range(ROUNDS):
            ours.append(DOCUMENTS / await check(reconciler))
            theirs.append(DOCUMENTS / await raw(Path(folder) / "documents.db", index, parts.settings.collection))
        await parts.aclose()
    return [Figure("reconcile: check against raw scan + scroll", statistics.median(ours), statistics.median(theirs), "docs/s", goal=0.5)]
