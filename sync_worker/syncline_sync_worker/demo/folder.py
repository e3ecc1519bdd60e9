"""The demo's folder: made by it, known by a marker file, and begun anew only as long as nobody else wrote to it."""

import shutil
from collections.abc import Callable
from pathlib import Path

from syncline_contracts.errors import ConfigurationError

MARKER = ".syncline-demo"
_WORDS = "Made by `syncline demo`, which may begin anew here as long as this file is. Other writing commands remove it.\n"


def claim(folder: Path, *, keep: bool, unused: Callable[[], None] = lambda: None) -> bool:
    """Make the folder ready; says whether an earlier demo's data was removed. With `keep` it stays, and is imported over.

    Raises ConfigurationError for a folder that holds anything that is not the demo's, and what `unused` raises if another process
    works there.
    """
    try:
        return _claim(folder, keep=keep, unused=unused)
    except OSError as error:
        raise ConfigurationError(f"cannot make the demo's folder {folder} ({error.strerror}): name another with --data") from None


def disown(folder: Path) -> None:
    """Somebody else is about to write to the folder: from now on it is not the demo's to remove."""
    (folder / MARKER).unlink(missing_ok=True)


def _claim(folder: Path, *, keep: bool, unused: Callable[[], None]) -> bool:
    marker = folder / MARKER
    if folder.exists() and not marker.is_file() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} holds data that is not a demo's, or was written to since: name another folder with --data")
    begun = marker.is_file() and not keep
    if begun:
        unused()
        _empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    marker.write_text(_WORDS)
    return begun


def _empty(folder: Path) -> None:
    shutil.rmtree(folder / "index", ignore_errors=True)
    for name in ("documents.db", "documents.db-wal", "documents.db-shm"):
        (folder / name).unlink(missing_ok=True)
