"""What goes wrong around a SQLite file: each is StorageUnavailable with the file and a remedy, and the engine goes on after it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import StorageUnavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Pos, Stored, Unknown
from syncline_store.engines.sqlite import SqliteEngine, connection, open_sqlite, outbox
from tests.parts.clock import SECOND, START, ManualClock
from tests.parts.writes import ref, write

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "documents.db"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[SqliteEngine]:
    opened = await open_sqlite(str(path), clock=Clock(now=ManualClock()))
    yield opened
    await opened.aclose()


async def on_the_writer(engine: SqliteEngine, statement: str) -> None:
    await engine._connections.writing.run(lambda connection: connection.execute(statement).fetchall())


async def outbox_size(engine: SqliteEngine) -> int:
    return sum([len(await engine.outbox.read(shard, Pos(0), Pos(START * 2), 1_000)) for shard in range(engine.outbox.shards)])


async def test_a_full_disk(engine: SqliteEngine, path: Path) -> None:
    await on_the_writer(engine, "PRAGMA max_page_count = 1")  # it is set to what is in use
    large = write(ref(), 64, {"text": "x" * 500_000})
    with pytest.raises(StorageUnavailable, match="free some space") as raised:
        await engine.documents.write([large])
    assert str(path) in str(raised.value)
    assert await engine.documents.read([ref()]) == [None]
    assert await outbox_size(engine) == 0
    await on_the_writer(engine, "PRAGMA max_page_count = 1000000")
    assert await engine.documents.write([large]) == [Stored()], "it works again once there is space"


async def test_a_file_that_cannot_be_written(engine: SqliteEngine) -> None:
    await on_the_writer(engine, "PRAGMA query_only = 1")
    with pytest.raises(StorageUnavailable, match="write permission"):
        await engine.documents.write([write(ref(), 64)])
    await on_the_writer(engine, "PRAGMA query_only = 0")
    assert await engine.documents.write([write(ref(), 64)]) == [Stored()]


async def test_a_lock_that_is_held(engine: SqliteEngine, path: Path) -> None:
    await on_the_writer(engine, "PRAGMA busy_timeout = 20")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="another process holds it"):
        await engine.documents.write([write(ref(), 64)])
    assert await engine.documents.read([ref()]) == [None], "reading goes on"
    other.execute("ROLLBACK")
    other.close()
    assert await engine.documents.write([write(ref(), 64)]) == [Stored()]


@pytest.mark.parametrize("where", ["missing/documents.db", "."])
async def test_a_place_that_cannot_be_opened(tmp_path: Path, where: str) -> None:
    with pytest.raises(StorageUnavailable, match="folder exists"):
        await open_sqlite(str(tmp_path / where), clock=Clock())


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"dear diary, " * 1_000)
    with pytest.raises(StorageUnavailable, match="no SQLite database"):
        asyncio.run(open_and_read(path))
    assert path.read_bytes() == b"dear diary, " * 1_000


def test_a_damaged_file(path: Path) -> None:
    asyncio.run(fill(path))
    pages = bytearray(path.read_bytes())
    pages[8192:] = b"\xab" * (len(pages) - 8192)
    path.write_bytes(pages)
    with pytest.raises(StorageUnavailable, match="backup"):
        asyncio.run(open_and_read(path))


async def fill(path: Path) -> None:
    engine = await open_sqlite(str(path), clock=Clock())
    await engine.documents.write([write(ref(f"n{n}"), 64, {"text": "x" * 2_000}) for n in range(200)])
    await engine.aclose()


async def open_and_read(path: Path) -> None:
    engine = await open_sqlite(str(path), clock=Clock())
    try:
        await engine.documents.scan("acme", (), None, 1_000)
    finally:
        await engine.aclose()


async def test_an_engine_that_is_closed(engine: SqliteEngine) -> None:
    await engine.aclose()
    for call in (engine.documents.read([ref()]), engine.documents.write([write(ref(), 64)])):
        with pytest.raises(StorageUnavailable, match="closed"):
            await call
    await engine.aclose()


async def test_closing_finishes_what_is_under_way(engine: SqliteEngine, path: Path) -> None:
    writes = [asyncio.create_task(engine.documents.write([write(ref(f"n{n}"), 64)])) for n in range(50)]
    await asyncio.sleep(0)
    await engine.aclose()
    assert [task.result() for task in writes] == [[Stored()]] * 50
    assert not path.with_name("documents.db-wal").exists(), "the log is tidied away"


async def test_a_cancelled_caller_does_not_stop_the_writer(engine: SqliteEngine) -> None:
    first, second = (asyncio.create_task(engine.documents.write([write(ref(key), 64)])) for key in "ab")
    await asyncio.sleep(0)
    first.cancel()
    assert await second == [Stored()]
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await engine.documents.read([ref("a")]))[0] is not None, "what was handed over is written"


async def test_a_full_queue_makes_callers_wait(engine: SqliteEngine) -> None:
    outcomes = await asyncio.gather(*(engine.documents.read([ref()]) for _ in range(2_500)))
    assert len(outcomes) == 2_500


# ------------------------------------------------------------------ commits that fail, or take long


class Faulty(sqlite3.Connection):
    """A commit that reaches the disk, or not, and then fails: what a dying disk does."""

    commits_first = True
    fails = 0

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:  # type: ignore[override]  # positional only there
        if statement != "COMMIT" or not Faulty.fails:
            return super().execute(statement, *parameters)
        Faulty.fails -= 1
        super().execute("COMMIT" if Faulty.commits_first else "ROLLBACK")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error


@pytest.mark.parametrize("lands", [True, False])
async def test_a_commit_whose_outcome_is_unknown_says_so(path: Path, monkeypatch: pytest.MonkeyPatch, *, lands: bool) -> None:
    """Invariant 2: and writing it again as it is does no harm."""
    real: Callable[..., sqlite3.Connection] = sqlite3.connect
    monkeypatch.setattr(connection.sqlite3, "connect", lambda *given, **named: real(*given, **named, factory=Faulty))
    monkeypatch.setattr(Faulty, "commits_first", lands)
    engine = await open_sqlite(str(path), clock=Clock(now=ManualClock()))
    made = write(ref(), 64, {"v": 1})
    monkeypatch.setattr(Faulty, "fails", 1)
    outcomes = await engine.documents.write([made, write(ref("b"), 64)])
    assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown]
    assert await engine.documents.write([made]) == [Stored()]
    (row,) = await engine.documents.read([ref()])
    assert row is not None
    assert (row.write_id, row.revision) == (made.event.id, 64)
    await engine.aclose()


class Stopwatch:
    """A monotonic clock that passes over each of the given spans of seconds in turn."""

    def __init__(self, *spans: float) -> None:
        self.spans = list(spans)
        self.time = 0.0
        self.running = False

    def monotonic(self) -> float:
        if self.running and self.spans:
            self.time += self.spans.pop(0)
        self.running = not self.running
        return self.time


async def test_a_slow_commit_has_a_fresh_outbox_row(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the relay's overlaps, which reach two seconds back, could pass its first one by."""
    monkeypatch.setattr(outbox, "time", Stopwatch(3.0, 3.0, 0.1))
    made = write(ref(), 64)
    assert await engine.documents.write([made]) == [Stored()]
    assert await outbox_size(engine) == 3, "one a try; they have the event's id, and do no harm"
    await engine.outbox.append([made.event])
    assert await outbox_size(engine) == 4


async def test_a_disk_that_stays_slow_is_no_success(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "time", Stopwatch(*[3.0] * 20))
    (outcome,) = await engine.documents.write([write(ref(), 64)])
    assert isinstance(outcome, Unknown)
    assert "more than a second" in outcome.problem
    with pytest.raises(StorageUnavailable, match="more than a second"):
        await engine.outbox.append([write(ref(), 64).event])


async def test_lateness_is_as_declared(engine: SqliteEngine) -> None:
    assert (engine.outbox.lateness, engine.documents.lateness) == (2 * SECOND, 0)
