"""What the demo comes to: the steps' figures in one place, and whether all of it held."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from syncline_contracts.drift import DriftKind
from syncline_sync_worker.demo.steps import Answered, Changed, Checked, Damaged, Indexed, Repaired, Step, Stored

Documents = Mapping[DriftKind, frozenset[uuid.UUID]]


@dataclass(slots=True)
class Result:
    """Filled step by step. The first check is what was found, the second what is left."""

    began: float = field(default_factory=time.monotonic)
    stored: Stored | None = None
    indexed: Indexed | None = None
    answered: Answered | None = None
    injected: Documents = field(default_factory=dict)
    found: Checked | None = None
    repaired: Repaired | None = None
    left: Checked | None = None

    def add(self, step: Step) -> None:
        """Take note of a step."""
        match step:
            case Stored():
                self.stored = step
            case Indexed():
                self.indexed = step
            case Answered():
                self.answered = step
            case Changed():
                pass
            case Damaged(damages):
                self.injected = {damage.kind: damage.documents for damage in damages}
            case Checked() if self.found is None:
                self.found = step
            case Checked():
                self.left = step
            case Repaired():
                self.repaired = step
            case _:
                assert_never(step)

    @property
    def exact(self) -> bool:
        """Each damaged document was found under the right kind, and nothing else was."""
        return self.found is not None and self.found.uncertain == 0 and dict(self.found.found) == dict(self.injected)

    @property
    def passed(self) -> bool:
        """Found what was done, nothing left, and the questions answered."""
        answers = () if self.answered is None else self.answered.answers
        clean = self.left is not None and self.left.total == 0
        return self.exact and clean and bool(answers) and all(answer.expected for answer in answers)

    def data(self) -> dict[str, Any]:
        """As one JSON object."""
        answers = () if self.answered is None else self.answered.answers
        return {
            "documents": 0 if self.stored is None else sum(self.stored.kinds.values()),
            "indexed": 0 if self.indexed is None else self.indexed.documents,
            "points": 0 if self.indexed is None else self.indexed.points,
            "searches": [
                {
                    "query": answer.question.query,
                    "key": None if answer.hit is None else answer.hit.document.key,
                    "score": None if answer.hit is None or answer.hit.score is None else round(answer.hit.score, 4),
                    "expected": answer.expected,
                }
                for answer in answers
            ],
            "drift_injected": sum(map(len, self.injected.values())),
            "drift_found": 0 if self.found is None else self.found.total,
            "drift_left": None if self.left is None else self.left.total,
            "drift_by_kind": {kind.value: self._of(kind) for kind in DriftKind},
            "exact": self.exact,
            "passed": self.passed,
            "seconds": round(time.monotonic() - self.began, 2),
        }

    def _of(self, kind: DriftKind) -> dict[str, int]:
        counts = {"injected": self.injected, "found": _found(self.found), "left": _found(self.left)}
        return {name: len(documents.get(kind, ())) for name, documents in counts.items()}


def _found(checked: Checked | None) -> Documents:
    return {} if checked is None else checked.found
