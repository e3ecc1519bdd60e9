"""What a walk covers, and how it is cut into ranges of segments."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncline_contracts.errors import InvalidInput
from syncline_contracts.identity import SEGMENTS, Namespace, Ref


@dataclass(frozen=True, slots=True)
class Scope:
    """Which documents: by tenant, by prefix of the namespace, and in part `part` of `parts` equal parts of some segments (1-based).

    `since` and `until` bound the differences, not what is read: those whose newest revision (µs) lies in since <= revision < until.
    """

    tenant: str | None = None
    part: int = 1
    parts: int = 1
    namespace: Namespace = ()
    first: int = 0
    last: int = SEGMENTS - 1
    since: int | None = None
    until: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last < SEGMENTS:
            raise InvalidInput("segments", f"must be A-B with 0 <= A <= B < {SEGMENTS}, not {self.first}-{self.last}")
        if not 1 <= self.parts <= SEGMENTS:
            raise InvalidInput("parts", f"must be 1 to {SEGMENTS}, not {self.parts}")
        if not 1 <= self.part <= self.parts:
            raise InvalidInput("part", f"must be 1 to {self.parts}, not {self.part}: parts are counted from 1, as in 2/8")

    @property
    def segments(self) -> range:
        """The segments of this part. All parts together cover each segment once."""
        count = self.last - self.first + 1
        return range(self.first + count * (self.part - 1) // self.parts, self.first + count * self.part // self.parts)

    @property
    def whole(self) -> bool:
        """Whether every document of the segments is meant, so that none needs to be looked at."""
        return self.tenant is None and not self.namespace

    def covers(self, ref: Ref | None) -> bool:
        """Whether this document is meant; one that nobody knows by name only where all are."""
        if self.whole:
            return True
        if ref is None or self.tenant not in (None, ref.tenant):
            return False
        return ref.namespace[: len(self.namespace)] == self.namespace

    def meant(self, since: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of these newest revisions lie in the time that is meant."""
        chosen: npt.NDArray[np.bool_] = np.ones(len(since), np.bool_)
        if self.since is not None:
            chosen &= since >= self.since
        if self.until is not None:
            chosen &= since < self.until
        return chosen


def cut(segments: range, documents: int, per_range: int) -> Iterator[range]:
    """Cut segments into ranges of about `per_range` documents, where all segments together hold `documents`."""
    width = max(1, min(SEGMENTS, SEGMENTS * per_range // max(documents, 1)))
    for first in range(segments.start, segments.stop, width):
        yield range(first, min(first + width, segments.stop))
