"""What reading files yields: documents to be, and what could not be read."""

from dataclasses import dataclass
from typing import Any

from syncline_contracts.identity import Namespace

MAX_BYTES = 1_000_000
"""The largest file, or line of a .jsonl file, that is read: a value may not be larger (architecture, section 3)."""


@dataclass(frozen=True, slots=True)
class Item:
    """A document as a file holds it. `fields` are the paths in the value that are embedded, None for the namespace's."""

    namespace: Namespace
    key: str
    value: dict[str, Any]
    origin: str
    """Where it was read: ``notes/a.md``, ``people.jsonl:12``."""
    fields: tuple[str, ...] | None = None
    size: int = 0
    """Bytes that were read for it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or a line that was left out, and why. The others are not touched by it."""

    origin: str
    message: str


class Unreadable(ValueError):
    """Inside the readers: this file or line is no document. It becomes a Problem."""
