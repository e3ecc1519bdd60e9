"""One side of the figures in a process of its own, so that its time, CPU and peak of memory are its alone: prints them as JSON.

`check` is the product's walk. `source` and `index` are its reads of one side, range by range, without the other. `raw_source` and
`raw_index` are the drivers' alone, written by hand: the same columns, the same payload, nothing done with them. `resume` is no figure: a
walk that is to be killed, and gone on with (reconcile_killed.py).
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Semaphore
from typing import Any

from qdrant_client import AsyncQdrantClient

from syncline_contracts.drift import Verdict
from syncline_contracts.revision import Clock
from syncline_store.engines.cql import CqlEngine, open_cql
from syncline_store.engines.cql.partition import ranges, tokens
from syncline_store.engines.cql.statements.documents import HEADS
from syncline_store.index.index import Index
from syncline_store.index.scan import COLUMNS
from syncline_store.settings import IndexingSettings
from syncline_sync_worker.reconcile import ReconcileSettings
from syncline_sync_worker.reconcile.reconciler import Reconciler
from syncline_sync_worker.reconcile.resume import Checkpoint
from syncline_sync_worker.reconcile.scope import Scope, cut
from tests.benchmarks.peak import peak_mb
from tests.benchmarks.reconcile_corpus import EMBEDDER
from tests.parts.servers import cql

PER_RANGE = ReconcileSettings().range_documents
AT_ONCE = 4
"""Token ranges that the driver reads at once; a quarter of the ring each."""
PAGE = 5_000
SCROLL = 10_000


async def check(keyspace: str, url: str, collection: str) -> int:
    engine, index = await sides(keyspace, url, collection)
    reconciler = Reconciler(engine, index, EMBEDDER, IndexingSettings(), clock=Clock(), settings=ReconcileSettings())
    report = await reconciler.check()
    assert report.verdict is Verdict.IN_STEP, report
    assert report.points == report.documents
    await index.aclose()
    await engine.aclose()
    return report.documents


async def resume(keyspace: str, url: str, collection: str, state: str, rate: str) -> None:
    """As `syncline reconcile check --resume STATE --rate RATE --json`: goes on where one that was killed has been; prints the report."""
    engine, index = await sides(keyspace, url, collection)
    reconciler = Reconciler(engine, index, EMBEDDER, IndexingSettings(), clock=Clock(), settings=ReconcileSettings())
    report = await reconciler.check(rate=float(rate), checkpoint=Checkpoint(Path(state)))
    await index.aclose()
    await engine.aclose()
    print(report.model_dump_json())


async def source(keyspace: str, _url: str, _collection: str) -> int:
    engine = await open_cql(cql.settings(keyspace), clock=Clock())
    documents = 0
    for segments in cut(Scope().segments, await engine.documents.estimate(), PER_RANGE):
        async for heads in engine.documents.heads(segments.start, segments.stop - 1):
            documents += len(heads)
    await engine.aclose()
    return documents


async def index(_keyspace: str, url: str, collection: str) -> int:
    held, points = await Index.open(url, collection=collection, embedder=EMBEDDER), 0
    for segments in cut(Scope().segments, await held.count(), PER_RANGE):
        async for block in held.scan(segments.start, segments.stop - 1):
            points += len(block)
    await held.aclose()
    return points


async def sides(keyspace: str, url: str, collection: str) -> tuple[CqlEngine, Index]:
    engine = await open_cql(cql.settings(keyspace), clock=Clock())
    return engine, await Index.open(url, collection=collection, embedder=EMBEDDER)


async def raw_source(keyspace: str, _url: str, _collection: str) -> int:
    return await asyncio.to_thread(_token_ranges, keyspace)


def _token_ranges(keyspace: str) -> int:
    """By callbacks: each page asks for the next."""
    session = cql.admin()
    statement = session.prepare(HEADS.text.replace("{keyspace}", keyspace))
    statement.fetch_size = PAGE
    finished, rows, failures = Semaphore(0), list[int](), list[BaseException]()

    def failed(error: BaseException) -> None:
        failures.append(error)
        finished.release()

    def begin(first: int, last: int) -> None:
        response = session.execute_async(statement.bind(tokens(first, last)), timeout=60)

        def take(page: list[Any]) -> None:
            rows.append(len(page))
            if response.has_more_pages:
                response.start_fetching_next_page()
            else:
                finished.release()

        response.add_callbacks(take, failed)

    parts = ranges(0, 4_095, AT_ONCE)
    for first, last in parts:
        begin(first, last)
    for _ in parts:
        finished.acquire()
    assert not failures, failures[0]
    return sum(rows)


async def raw_index(_keyspace: str, url: str, collection: str) -> int:
    qdrant = AsyncQdrantClient(url=url, timeout=60)
    points, after = 0, None
    while True:
        records, after = await qdrant.scroll(collection, limit=SCROLL, offset=after, with_payload=COLUMNS)
        points += len(records)
        if after is None:
            break
    await qdrant.close()
    return points


SIDES: dict[str, Callable[[str, str, str], Awaitable[int]]] = {
    side.__name__: side for side in (check, source, index, raw_source, raw_index)
}


async def main(side: str, *where: str) -> None:
    if side == resume.__name__:
        await resume(*where)
        return
    started, cpu = time.perf_counter(), time.process_time()
    documents = await SIDES[side](*where)
    told = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu, "peak_mb": peak_mb(), "documents": documents}
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
