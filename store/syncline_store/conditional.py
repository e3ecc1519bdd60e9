"""Conditional writes as values: what they ask of the document that is there, and what became of them."""

from dataclasses import dataclass
from typing import assert_never

from syncline_store.document import Document, Row, living

# ------------------------------------------------------------------ conditions


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no document: none was written, it was deleted, or it has expired."""


@dataclass(frozen=True, slots=True)
class AtRevision:
    """The document is there, at exactly this revision."""

    revision: int


@dataclass(frozen=True, slots=True)
class HasValue:
    """The document is there with this value, as canonical text."""

    text: str


Condition = Absent | AtRevision | HasValue


def holds(condition: Condition, row: Row | None, now: int) -> bool:
    """Whether the row satisfies the condition. `now`: µs since 1970."""
    there = living(row, now)
    match condition:
        case Absent():
            return there is None
        case AtRevision(revision):
            return there is not None and there.revision == revision
        case HasValue(text):
            return there is not None and there.value == text
        case _:
            assert_never(condition)


# ------------------------------------------------------------------ outcomes


@dataclass(frozen=True, slots=True)
class Applied:
    """It is there, at this revision (µs since 1970)."""

    revision: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was written: `document` is there, None where there is none."""

    document: Document | None


@dataclass(frozen=True, slots=True)
class Superseded:
    """It was written, and a later write replaced it before this one returned: `document` is there now, None where there is none."""

    document: Document | None


Outcome = Applied | Refused | Superseded
