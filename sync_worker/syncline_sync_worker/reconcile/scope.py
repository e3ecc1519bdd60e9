"""What a walk covers, and how it is cut into ranges of segments."""

from collections.abc import Iterator
from dataclasses import dataclass

from syncline_contracts.errors import InvalidInput
from syncline_contracts.identity import SEGMENTS


@dataclass(frozen=True, slots=True)
class Scope:
    """Which documents: of one tenant or of all, in part `part` of `parts` equal parts of the segments (1-based)."""

    tenant: str | None = None
    part: int = 1
    parts: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.parts <= SEGMENTS:
            raise InvalidInput("parts", f"must be 1 to {SEGMENTS}, not {self.parts}")
        if not 1 <= self.part <= self.parts:
            raise InvalidInput("part", f"must be 1 to {self.parts}, not {self.part}: parts are counted from 1, as in 2/8")

    @property
    def segments(self) -> range:
        """The segments of this part. All parts together cover each segment once."""
        return range(SEGMENTS * (self.part - 1) // self.parts, SEGMENTS * self.part // self.parts)


def cut(segments: range, documents: int, per_range: int) -> Iterator[range]:
    """Cut segments into ranges of about `per_range` documents, where all segments together hold `documents`."""
    width = max(1, min(SEGMENTS, SEGMENTS * per_range // max(documents, 1)))
    for first in range(segments.start, segments.stop, width):
        yield range(first, min(first + width, segments.stop))
