"""What reading files yields: documents to be, and what could not be read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from syncline_contracts.identity import Namespace
from syncline_store.document import Apart

MAX_BYTES = 1_000_000
"""The largest file, or line of a .jsonl file, that is read: a value may not be larger (architecture, section 3)."""


@dataclass(frozen=True, slots=True)
class Item:
    """A document as a file holds it. `index` is as in `put`; `expires_at` is µs since 1970, None as the namespace says."""

    namespace: Namespace
    key: str
    value: dict[str, Any]
    origin: str
    """Where it was read: ``notes/a.md``, ``people.jsonl:12``."""
    index: bool | Sequence[str] | Apart | None = None
    size: int = field(default=0, kw_only=True)
    """Bytes that were read for it."""
    expires_at: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or a line that was left out, and why. The others are not touched by it."""

    origin: str
    message: str


class Unreadable(ValueError):
    """Inside the readers: this file or line is no document. It becomes a Problem."""
