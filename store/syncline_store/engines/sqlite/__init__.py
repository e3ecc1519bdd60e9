"""The engine of the embedded default: one SQLite file, one thread that writes it."""

from syncline_store.engines.sqlite.engine import SqliteEngine, open_sqlite

__all__ = ["SqliteEngine", "open_sqlite"]
