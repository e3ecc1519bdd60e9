"""How far a check is, for whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What a check is doing."""

    WALK = "walk"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total`: ranges of segments while walking, looks while confirming. The counts are as in the report."""

    stage: Stage
    done: int
    total: int
    documents: int
    points: int
    suspects: int


ProgressCallback = Callable[[Progress], None]


def show_nothing(_progress: Progress) -> None:
    """For a caller who does not want to know."""
