"""How connections are made: WAL, every commit on the disk, and who waits how long for a lock."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from syncline_store.engines.sqlite.lane import Lane

MEMORY = ":memory:"
READERS = 3
BUSY_TIMEOUT = 10_000
"""Milliseconds that a statement waits for another process's lock before StorageUnavailable."""
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
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute("PRAGMA cache_size = -16000")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


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
