"""Which letters an operator means, and how many that are."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.identity import Namespace

FIRST_IDS = 100


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """All letters that are not excluded. Times are µs since 1970, of the first failure: `since` <= first_at < `until`."""

    error: str | None = None
    """The error's class, in any case."""
    tenant: str | None = None
    prefix: Namespace = ()
    since: int | None = None
    until: int | None = None

    def matches(self, letter: DeadLetter) -> bool:
        """Bytes that are no event have neither tenant nor namespace."""
        return (
            (self.error is None or self.error.lower() == letter.error.lower())
            and self.tenant in (None, letter.tenant)
            and (letter.namespace or ())[: len(self.prefix)] == self.prefix
            and (self.since is None or letter.first_at >= self.since)
            and not self.ends_before(letter)
        )

    def ends_before(self, letter: DeadLetter) -> bool:
        """Neither this letter nor, as they come oldest first, any after it."""
        return self.until is not None and letter.first_at >= self.until

    def as_of(self, now: int) -> "LetterFilter":
        """The same, without the letters that are made from now on: a replay that fails must not go on for ever."""
        return replace(self, until=now + 1 if self.until is None else min(self.until, now + 1))

    @property
    def said(self) -> dict[str, Any]:
        """What it asks for, as JSON."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


EVERY = LetterFilter()

Which = Sequence[uuid.UUID] | LetterFilter
"""Letters by their ids, or all open ones that a filter lets through."""


@dataclass(frozen=True, slots=True)
class Ids:
    """How many letters, and the first of them: there may be millions."""

    count: int = 0
    first: tuple[uuid.UUID, ...] = ()

    @classmethod
    def of(cls, ids: Iterable[uuid.UUID]) -> "Ids":
        """All of them."""
        everyone = tuple(ids)
        return cls(len(everyone), everyone[:FIRST_IDS])

    def __add__(self, other: "Ids") -> "Ids":
        return Ids(self.count + other.count, (self.first + other.first)[:FIRST_IDS])


NO_IDS = Ids()


@dataclass(slots=True)
class Summary:
    """How many letters there are, by the class of their error, and when the oldest of them was made."""

    count: int = 0
    by_error: dict[str, int] = field(default_factory=dict)
    oldest: int | None = None

    def add(self, letter: DeadLetter) -> None:
        """Count one more, in the order that they are listed in."""
        self.count += 1
        self.by_error[letter.error] = self.by_error.get(letter.error, 0) + 1
        self.oldest = letter.first_at if self.oldest is None else self.oldest
