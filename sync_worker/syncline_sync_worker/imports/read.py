"""Folders and files as a stream of documents: one file, or one line, in memory at a time."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from syncline_contracts.errors import InvalidInput
from syncline_contracts.identity import Namespace
from syncline_sync_worker.imports.files import READERS, read_file
from syncline_sync_worker.imports.item import Item, Problem, Unreadable
from syncline_sync_worker.imports.jsonl import read_jsonl

JSONL = (".jsonl", ".ndjson")
SUFFIXES = (*READERS, *JSONL)
"""The kinds of files that are imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read. `namespace` None: a folder gives its name and its subfolders', a .jsonl file its name without the suffix."""

    namespace: Namespace | None = None
    key_field: str = "key"
    text_field: str | None = None


def read(paths: Sequence[Path], reading: Reading | None = None) -> Iterator[Item | Problem]:
    """Yield what the files and folders hold, folders in order of their names, hidden files left out.

    Raises InvalidInput, before anything is read, for a path that is not there or of another kind of file.
    """
    for path in paths:
        _refuse(path)
    return _read(paths, reading or Reading())


def _refuse(path: Path) -> None:
    if not path.exists():
        raise InvalidInput(str(path), "there is no such file or folder: check the spelling, or name another")
    if not path.is_dir() and path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(str(path), f"this kind of file cannot be imported: what can is {' '.join(SUFFIXES)} and folders of them")


def _read(paths: Sequence[Path], reading: Reading) -> Iterator[Item | Problem]:
    for path in paths:
        if path.is_dir():
            yield from _folder(path, reading)
        elif path.suffix.lower() in JSONL:
            yield from _file(path, reading.namespace or (path.stem,), reading)
        else:
            yield from _file(path, reading.namespace or (path.resolve().parent.name or "files",), reading)


def _folder(root: Path, reading: Reading) -> Iterator[Item | Problem]:
    top = reading.namespace or (root.resolve().name or "files",)
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        namespace = (*top, *Path(folder).relative_to(root).parts)
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                yield from _file(path, (*namespace, path.stem) if path.suffix.lower() in JSONL else namespace, reading)


def _file(path: Path, namespace: Namespace, reading: Reading) -> Iterator[Item | Problem]:
    if path.suffix.lower() in JSONL:
        yield from read_jsonl(path, namespace, key_field=reading.key_field, text_field=reading.text_field)
        return
    try:
        yield read_file(path, namespace)
    except Unreadable as error:
        yield Problem(str(path), str(error))
