"""What goes wrong in SQLite, said once in our own tree: the file, and what to do about it."""

import sqlite3
from typing import TypeGuard

from syncline_contracts.errors import StorageUnavailable

_REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space, then try again",
    sqlite3.SQLITE_READONLY: "it cannot be written: give this user write permission for the file and its folder",
    sqlite3.SQLITE_BUSY: "another process holds it locked: let that one finish, then try again",
    sqlite3.SQLITE_LOCKED: "another process holds it locked: let that one finish, then try again",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore it from a backup (`sqlite3 FILE .recover` saves what can be read)",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database: name another file, or move this one away",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: make sure that its folder exists and that this user may enter and write it",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write it: look into the system's log, free space, check the disk",
    sqlite3.SQLITE_PERM: "access was denied: give this user permission for the file and its folder",
    sqlite3.SQLITE_NOMEM: "there was no memory left: close something, then try again",
}


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension, -1 for an error that the module made itself."""
    code: int = getattr(error, "sqlite_errorcode", -1)
    return code & 0xFF if code >= 0 else -1


def unavailable(error: sqlite3.Error, path: str) -> StorageUnavailable:
    """Name the file and the remedy."""
    remedy = _REMEDIES.get(primary_code(error), "is this a file that Syncline made, and of this version?")
    return StorageUnavailable(f"{path}: {error}; {remedy}")


def is_outage(error: Exception) -> TypeGuard[sqlite3.Error]:
    """The file or the disk is at fault, not the statement's values."""
    return isinstance(error, sqlite3.Error) and primary_code(error) in _REMEDIES
