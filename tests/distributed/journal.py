"""What writers were told: a line before each change, and one after its outcome is known. A line torn by a kill is none."""

import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BEGUN = "begun"


class Told(StrEnum):
    """What became of a change."""

    STORED = "stored"
    UNKNOWN = "unknown"
    FAILED = "failed"
    """It certainly did not land."""


@dataclass
class Change:
    """A put, a delete or a touch. `told` is None where its writer died before it was told."""

    id: str
    key: str
    kind: str
    told: Told | None = None
    revision: int = 0
    expires_at: int = 0
    problem: str = ""

    @property
    def version(self) -> tuple[int, int]:
        return self.revision, self.expires_at


class Journal:
    """Appends lines with one system call each: what was written stays when the process is killed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._file)

    def begin(self, change: str, key: str, kind: str) -> None:
        self._append(id=change, key=key, kind=kind, what=BEGUN)

    def end(self, change: str, told: Told, revision: int = 0, expires_at: int = 0, problem: str = "") -> None:
        self._append(id=change, what=told.value, revision=revision, expires_at=expires_at, problem=problem)

    def _append(self, **line: Any) -> None:
        os.write(self._file, (json.dumps(line) + "\n").encode())


class Reader:
    """All journals of a folder, read on from where they were read up to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}
        self._changes: dict[str, Change] = {}

    @property
    def changes(self) -> Collection[Change]:
        """As they stand now."""
        for path in sorted(self._folder.glob("*.journal")):
            for line in self._new_lines(path):
                self._note(json.loads(line))
        return self._changes.values()

    def _new_lines(self, path: Path) -> list[bytes]:
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            whole, end, _ = file.read().rpartition(b"\n")
        self._read[path] = self._read.get(path, 0) + len(whole) + len(end)
        return whole.splitlines()

    def _note(self, line: dict[str, Any]) -> None:
        if line["what"] == BEGUN:
            self._changes[line["id"]] = Change(line["id"], line["key"], line["kind"])
            return
        change = self._changes[line["id"]]
        change.told = Told(line["what"])
        change.revision, change.expires_at, change.problem = line["revision"], line["expires_at"], line["problem"]
