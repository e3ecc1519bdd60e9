"""What writers were told: a line before each change, and one after its outcome is known. A line torn by a kill is none."""

import json
import os
from collections.abc import Iterator
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


def read(folder: Path) -> list[Change]:
    """All changes of all journals in a folder."""
    changes: dict[str, Change] = {}
    for path in sorted(folder.glob("*.journal")):
        for line in _lines(path):
            if line["what"] == BEGUN:
                changes[line["id"]] = Change(line["id"], line["key"], line["kind"])
            else:
                change = changes[line["id"]]
                change.told = Told(line["what"])
                change.revision, change.expires_at, change.problem = line["revision"], line["expires_at"], line["problem"]
    return list(changes.values())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue
