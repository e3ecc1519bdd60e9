"""What an app asks of a search, as it says it. Imports nothing that takes time: it is made before the first search loads the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """How a query's text is searched for."""

    DENSE = "dense"
    """By its meaning."""
    HYBRID = "hybrid"
    """By its meaning and by its words."""


class Score(StrEnum):
    """What a score says."""

    COSINE = "cosine"
    """How near the best passage's vector is: 1 is equal."""
    RRF = "rrf"
    """Reciprocal rank fusion: the order alone. Never to be held against a cosine, nor against another search's."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an app asks for, before anything is looked at."""

    query: str | None = None
    vector: Sequence[float] | None = None
    filter: Mapping[str, Any] | None = None
    limit: int = 10
    offset: int = 0
    threshold: float | None = None
    mode: str | None = None
