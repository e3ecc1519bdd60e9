"""What a check has counted so far."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic

import numpy as np

from syncline_contracts.drift import DriftReport, Finding
from syncline_sync_worker.reconcile.progress import Progress, Stage
from syncline_sync_worker.reconcile.walk import Compared

COUNTS = ("documents", "points", "sampled", "young", "unlisted", "unnamed")
"""What a tally counts."""


@dataclass(slots=True)
class Tally:
    """Counts, and the suspects: differences that are not confirmed yet. Owned by one check.

    At most `max_suspects` are kept and those beyond counted only, so that memory stays flat.
    """

    max_suspects: int
    started_at: int
    began: float = field(default_factory=monotonic)
    documents: int = 0
    points: int = 0
    sampled: int = 0
    young: int = 0
    unlisted: int = 0
    unnamed: int = 0
    suspects: list[Finding] = field(default_factory=list)

    def count(self, compared: Compared) -> None:
        """Count a range; what differs and is not young is a suspect."""
        sides, differences = compared.sides, compared.differences
        self.documents += len(sides.heads)
        self.points += len(sides.points)
        young = compared.horizon.young(differences.since)
        named = sides.named(differences)
        self.young += int((young & named).sum())
        self.unnamed += int((~named).sum())
        suspects = differences.only(~young & named)
        room = self.max_suspects - len(self.suspects)
        self.unlisted += max(0, len(suspects) - room)
        self.suspects += sides.findings(suspects.only(np.arange(len(suspects)) < room))

    def count_sample(self, vectors: int, found: Sequence[Finding]) -> None:
        """Count vectors that were computed again, and those that differ."""
        self.sampled += vectors
        room = self.max_suspects - len(self.suspects)
        self.suspects += found[:room]
        self.unlisted += len(found[room:])

    def leave_young(self, young: Iterable[bool]) -> None:
        """Drop those suspects whose writes may still be in flight, given one by one, and count them."""
        kept = [suspect for suspect, is_young in zip(self.suspects, young, strict=True) if not is_young]
        self.young += len(self.suspects) - len(kept)
        self.suspects = kept

    @property
    def removals(self) -> int:
        """How many suspects a repair would remove."""
        return sum(suspect.kind.removal for suspect in self.suspects)

    def progress(self, stage: Stage, done: int, total: int) -> Progress:
        """As of now."""
        return Progress(stage, done, total, self.documents, self.points, len(self.suspects))

    def report(self, refused: str | None) -> DriftReport:
        """What it all comes to. Of a check that could not tell, nothing is listed: it was not confirmed."""
        if refused is None and self.unlisted and not self.suspects:
            refused = f"{self.unlisted} differences were not looked at again, because max_findings is {self.max_suspects}: raise it"
        return DriftReport(
            started_at=self.started_at,
            seconds=monotonic() - self.began,
            documents=self.documents,
            points=self.points,
            sampled=self.sampled,
            young=self.young,
            unlisted=0 if refused else self.unlisted,
            unnamed=0 if refused else self.unnamed,
            findings=() if refused else tuple(self.suspects),
            refused=refused,
        )
