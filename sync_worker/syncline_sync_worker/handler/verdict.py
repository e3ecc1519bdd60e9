"""What became of a batch of deliveries. Matched exhaustively."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncline_contracts.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Done:
    """Every delivery's effect is durable: acknowledge them all. `counts` says how many documents ended how."""

    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    """A part is out. Nothing was acknowledged and nothing dead-lettered: bring the same deliveries again later."""

    reason: Unavailable


Verdict = Done | Pause
