"""What the demo did, step by step: values that the command line shows or turns into JSON. Seconds are each step's own."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncline_contracts.drift import DriftKind
from syncline_store.search.hydrate import Hit
from syncline_sync_worker.demo.damage import Damage
from syncline_sync_worker.demo.questions import Question


@dataclass(frozen=True, slots=True)
class Stored:
    """The corpus is in the store. `kinds`: how many topics, modules, classes, functions."""

    kinds: Mapping[str, int]
    written: int
    unchanged: int
    anew: bool
    """An earlier demo's data was removed first."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Indexed:
    """The index follows: so many documents, in so many passages."""

    documents: int
    points: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A question and its best hit."""

    question: Question
    hit: Hit | None

    @property
    def expected(self) -> bool:
        """Whether one of the right documents came first."""
        return self.hit is not None and self.hit.document.key in self.question.answers


@dataclass(frozen=True, slots=True)
class Answered:
    """All questions."""

    answers: Sequence[Answer]
    seconds: float


@dataclass(frozen=True, slots=True)
class Changed:
    """Documents were edited and deleted, and the index followed."""

    edited: int
    deleted: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Damaged:
    """What was done behind Syncline's back."""

    damages: Sequence[Damage]


@dataclass(frozen=True, slots=True)
class Checked:
    """What the reconciler found: document ids by kind."""

    found: Mapping[DriftKind, frozenset[uuid.UUID]]
    uncertain: int
    """Differences that were not told apart: too young, or beyond what a report lists. 0, or something is wrong."""
    documents: int
    points: int
    sampled: int
    seconds: float

    @property
    def total(self) -> int:
        """How many documents drifted, or may have."""
        return sum(map(len, self.found.values())) + self.uncertain


@dataclass(frozen=True, slots=True)
class Repaired:
    """Repair events went the normal way: outbox, relay, handler."""

    events: int
    seconds: float


Step = Stored | Indexed | Answered | Changed | Damaged | Checked | Repaired
