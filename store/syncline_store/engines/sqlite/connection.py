"""How connections are made: WAL, every commit on the disk, and who waits how long for a lock."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from syncline_store.engines.sqlite.errors import primary_code
from syncline_store.engines.sqlite.lane import Lane

MEMORY = ":memory:"
READERS = 3
BUSY_TIMEOUT = 10_000
"""Milliseconds that a statement waits for another process's lock before StorageUnavailable."""
_PAUSE = 0.005
CHECKPOINT_PAGES = 2_000
"""The log is copied back into the file when it holds 8 MB."""


class Connections:
    """One database: a lane that writes, a lane that reads. In memory both are the same."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.writing = Lane("syncline-write", path, partial(_writer, path))
        self.reading = self.writing if path == MEMORY else Lane("syncline-read", path, partial(_reader, path), READERS)

    async def aclose(self) -> None:
        """Finish what is under way and let go of the files: the readers first, so that the writer can tidy its log away."""
        await self.reading.aclose()
        await self.writing.aclose()


def _writer(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT / 1000)
    try:
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute("PRAGMA cache_size = -16000")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL. A new file's first openers collide here, and SQLite's own time-out does not count for it."""
    deadline = time.monotonic() + BUSY_TIMEOUT / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _reader(path: str) -> sqlite3.Connection:
    where = f"file:{quote(str(Path(path).absolute()))}?mode=ro"
    connection = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT / 1000)
    connection.execute("PRAGMA cache_size = -4000")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock; commit at the end, or leave no trace."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
