"""put/s at 1 and at 64 concurrent clients, against a raw sqlite3 transaction of the same two rows.

The raw side is written by hand for this one purpose: prepared values, WAL, synchronous FULL, the same tables with no index that
it does not need, one transaction a put, one put after the other. It runs twice, plainly and in a thread that an event loop awaits,
as an asyncio app would need it; the faster one counts. A raw transaction of 64 documents is shown as well: what group commit could
reach if nothing came between.
"""

import asyncio
import json
import queue
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store import open_store
from syncline_store.document import Write, canonical, content_hash
from syncline_store.engines.protocol import Stored, WriteOutcome
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.group_commit import GroupCommit
from tests.benchmarks.corpus import values
from tests.benchmarks.figure import Figure

ROUNDS = 9
SECONDS = 0.3
"""How long a side runs in a round: short, and in turn, so that what else the disk does meets all of them."""
MANY = 64
VALUES = values(500)

Put = Callable[[str, dict[str, Any]], Awaitable[object]]

# ------------------------------------------------------------------ ours


@asynccontextmanager
async def store(folder: Path) -> AsyncIterator[Put]:
    """The library as an app uses it; indexing is left to a relay, so that what is measured is the put."""
    async with open_store(f"sqlite:///{folder / 'documents.db'}", index=f"path:{folder / 'index'}", indexing="relay") as opened:
        tenant = opened.tenant("bench")
        yield lambda key, value: tenant.put(("notes",), key, value)


@asynccontextmanager
async def engine(folder: Path) -> AsyncIterator[Put]:
    """The engine under a group commit, without the library's face."""
    clock = Clock()
    opened = await open_sqlite(str(folder / "documents.db"), clock=clock)
    group: GroupCommit[Write, WriteOutcome] = GroupCommit(
        opened.documents.write, max_items=MANY, max_bytes=1_000_000, size_of=lambda write: len(write.value or "")
    )

    async def put(key: str, value: dict[str, Any]) -> None:
        text = canonical(value)
        event = ChangeEvent.of(Ref("bench", ("notes",), key), clock.tick(), Kind.WRITE, first_at=clock.now())
        outcome = await group.submit(Write(text, content_hash(text), "", event))
        assert isinstance(outcome, Stored)

    yield put
    await group.aclose()
    await opened.aclose()


async def ours(side: Callable[[Path], AbstractAsyncContextManager[Put]], clients: int) -> float:
    """Puts a second."""
    with tempfile.TemporaryDirectory() as folder:
        async with side(Path(folder)) as put:
            await put("first", VALUES[0])
            return await _rate(put, clients)


async def _rate(put: Put, clients: int) -> float:
    started = time.perf_counter()
    done = 0

    async def client(number: int) -> None:
        nonlocal done
        mine = 0
        while time.perf_counter() - started < SECONDS:
            await put(f"{number}-{mine}", VALUES[mine % len(VALUES)])
            mine += 1
        done += mine

    await asyncio.gather(*(client(number) for number in range(clients)))
    return done / (time.perf_counter() - started)


# ------------------------------------------------------------------ raw

TABLES = """
CREATE TABLE documents (
    tenant TEXT, namespace TEXT, key TEXT, document BLOB, revision INTEGER, expires_at INTEGER, deleted INTEGER, content_hash BLOB,
    write_id BLOB, index_spec TEXT, created_at INTEGER, updated_at INTEGER, value TEXT, PRIMARY KEY (tenant, namespace, key));
CREATE TABLE outbox (
    shard INTEGER, at INTEGER, tie BLOB, id BLOB, tenant TEXT, namespace TEXT, key TEXT, revision INTEGER, kind TEXT,
    expires_at INTEGER, first_at INTEGER, PRIMARY KEY (shard, at, tie)) WITHOUT ROWID;
"""
PUT = """
INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, namespace, key) DO UPDATE SET revision = excluded.revision, content_hash = excluded.content_hash,
    write_id = excluded.write_id, updated_at = excluded.updated_at, value = excluded.value WHERE excluded.revision > revision"""
EVENT = "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ID = b"0123456789abcdef"


class Raw:
    """A connection that puts by hand."""

    def __init__(self, folder: Path) -> None:
        self.connection = sqlite3.connect(folder / "raw.db", isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA wal_autocheckpoint = 2000")
        self.connection.execute("PRAGMA cache_size = -16000")
        self.connection.executescript(TABLES)
        self.number = 0

    def put(self, key: str, value: dict[str, Any]) -> None:
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        document, event = self._rows(key, value)
        execute(PUT, document)
        execute(EVENT, event)
        execute("COMMIT")

    def put_many(self, given: list[tuple[str, dict[str, Any]]]) -> None:
        rows = [self._rows(key, value) for key, value in given]
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(PUT, [document for document, _ in rows])
        self.connection.executemany(EVENT, [event for _, event in rows])
        self.connection.execute("COMMIT")

    def _rows(self, key: str, value: dict[str, Any]) -> tuple[tuple[object, ...], tuple[object, ...]]:
        now = time.time_ns() // 1000
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        self.number += 1
        tie = self.number.to_bytes(8, "big")
        return (
            ("bench", "notes\x01", key, ID[:8] + tie, now, 0, 0, content_hash(text), ID, "", now, now, text),
            (0, now, tie, ID, "bench", "notes\x01", key, now, "write", 0, now),
        )


def raw_plain(*, batch: int = 1) -> float:
    """Puts a second in a plain loop, without asyncio."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Raw(Path(folder))
        started = time.perf_counter()
        done = 0
        while time.perf_counter() - started < SECONDS:
            if batch == 1:
                raw.put(f"n{done}", VALUES[done % len(VALUES)])
            else:
                raw.put_many([(f"n{done + n}", VALUES[(done + n) % len(VALUES)]) for n in range(batch)])
            done += batch
        rate = done / (time.perf_counter() - started)
        raw.connection.close()
    return rate


async def raw_in_a_thread(clients: int) -> float:
    """Puts a second with a thread of its own, which an event loop hands its puts to."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Raw(Path(folder))
        requests: queue.SimpleQueue[tuple[str, dict[str, Any], asyncio.Future[None]] | None] = queue.SimpleQueue()
        loop = asyncio.get_running_loop()

        def work() -> None:
            while (request := requests.get()) is not None:
                key, value, done = request
                raw.put(key, value)
                loop.call_soon_threadsafe(done.set_result, None)

        async def put(key: str, value: dict[str, Any]) -> None:
            done: asyncio.Future[None] = loop.create_future()
            requests.put((key, value, done))
            await done

        thread = threading.Thread(target=work)
        thread.start()
        rate = await _rate(put, clients)
        requests.put(None)
        thread.join()
        raw.connection.close()
    return rate


async def compare(name: str, side: Callable[[Path], AbstractAsyncContextManager[Put]], clients: int, goal: float | None) -> Figure:
    """Rounds in turn, medians; the faster of both raw ways."""
    mine, plain, threaded = [], [], []
    for _ in range(ROUNDS):
        mine.append(await ours(side, clients))
        plain.append(raw_plain())
        threaded.append(await raw_in_a_thread(clients))
    return Figure(name, statistics.median(mine), max(statistics.median(plain), statistics.median(threaded)), "put/s", goal=goal)


async def against_a_batch() -> Figure:
    mine, raw = [], []
    for _ in range(ROUNDS):
        mine.append(await ours(store, MANY))
        raw.append(raw_plain(batch=MANY))
    return Figure(f"put, {MANY} clients (raw: {MANY} in one transaction)", statistics.median(mine), statistics.median(raw), "put/s")


async def bench() -> list[Figure]:
    """The goals are for the library's face; the engine's own figures show what the face costs."""
    return [
        await compare("put, 1 client", store, 1, 0.5),
        await compare(f"put, {MANY} clients", store, MANY, 1.5),
        await compare(f"engine alone, {MANY} clients", engine, MANY, None),
        await against_a_batch(),
    ]


if __name__ == "__main__":
    for figure in asyncio.run(bench()):
        print(figure)
