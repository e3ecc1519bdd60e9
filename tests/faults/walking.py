"""A check in a process of its own, SQLite on one side and an index by URL on the other: prints what it compared, and its peak of memory.

`python -m tests.faults.walking DATABASE URL COLLECTION RANGE`.
"""

import asyncio
import json
import sys

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER, Clock
from syncline_store.document import INDEX_AS_NAMESPACE, Write, canonical, content_hash
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.index.index import Index
from syncline_store.settings import IndexingSettings
from syncline_sync_worker.reconcile import ReconcileSettings
from syncline_sync_worker.reconcile.reconciler import Reconciler
from tests.benchmarks.peak import peak_mb
from tests.parts.embedders import NullEmbedder

EMBEDDER = NullEmbedder(4)


def document(number: int) -> Write:
    """Always the same for a number."""
    ref = Ref("acme", ("notes", f"n{number % 50}"), f"document-{number}")
    event = ChangeEvent.of(ref, 1_750_000_000_000_000 + number, Kind.WRITE, first_at=1_750_000_000_000_000, expires_at=NEVER)
    value = canonical({"text": f"the text of document {number}"})
    return Write(value, content_hash(value), INDEX_AS_NAMESPACE, event)


async def check(database: str, url: str, collection: str, per_range: int) -> None:
    clock = Clock()
    engine = await open_sqlite(database, clock=clock)
    index = await Index.open(url, collection=collection, embedder=EMBEDDER)
    settings = ReconcileSettings(range_documents=per_range)
    report = await Reconciler(engine, index, EMBEDDER, IndexingSettings(), clock=clock, settings=settings).check()
    told = {"verdict": report.verdict, "documents": report.documents, "points": report.points, "peak_mb": peak_mb()}
    sys.stdout.write(json.dumps(told))
    await index.aclose()
    await engine.aclose()


if __name__ == "__main__":
    asyncio.run(check(*sys.argv[1:4], int(sys.argv[4])))
