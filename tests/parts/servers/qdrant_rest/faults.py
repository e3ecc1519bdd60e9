"""Faults on demand: which request is hurt, how, and how often."""

import asyncio
import random
import re
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What happens to a request."""

    STATUS = "status"
    """It is answered with an error and nothing is applied."""
    SLOW = "slow"
    """It is applied and answered, `delay` seconds later, also when the client has gone."""
    HELD = "held"
    """It is applied and answered once the rules are cleared, also when the client has gone."""
    LOST = "lost"
    """An update is acknowledged, and nothing is applied."""
    CUT = "cut"
    """The connection closes without an answer, and nothing is applied."""
    APPLIED_CUT = "applied_cut"
    """It is applied, and the connection closes without an answer."""
    HALF_CUT = "half_cut"
    """The first half of an update is applied, and the connection closes without an answer."""


@dataclass
class Fault:
    """A rule. It hurts requests of which "METHOD /path" matches `path`, with this probability, at most `count` times."""

    kind: Kind
    path: str = ""
    """A regular expression, searched for."""
    probability: float = 1.0
    seed: int = 0
    skip: int = 0
    """So many matching requests pass unhurt first."""
    count: int | None = None
    status: int = 503
    retry_after: str | None = None
    unless_key: str | None = None
    """Requests with this api-key pass."""
    delay: float = 0.0
    seen: int = 0
    """Requests that matched."""
    fired: int = 0
    """Requests that were hurt."""
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        self.kind = Kind(self.kind)
        self._random = random.Random(self.seed)

    def hurts(self, request: str, key: str | None) -> bool:
        """Whether it is this request's turn."""
        if re.search(self.path, request) is None or (self.unless_key is not None and key == self.unless_key):
            return False
        self.seen += 1
        if self.seen <= self.skip or self.fired == self.count or self._random.random() >= self.probability:
            return False
        self.fired += 1
        return True

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {name: value for name, value in asdict(self).items() if not name.startswith("_")}


class Faults:
    """The rules in force; of those that would hurt a request, the first does."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self._cleared = asyncio.Event()

    def clear(self) -> None:
        """All is well again, and what was held goes on."""
        self.rules.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    async def delay(self, fault: Fault) -> None:
        """Until this request's time has come."""
        await (self._cleared.wait() if fault.kind is Kind.HELD else asyncio.sleep(fault.delay))

    def draw(self, request: str, key: str | None) -> Fault | None:
        """What hurts this request."""
        return next((rule for rule in self.rules if rule.hurts(request, key)), None)
