"""Each kind of silent damage, with the name that the reconciler must give it."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from syncline_contracts.drift import DriftKind
from syncline_contracts.identity import Ref
from tests.parts.damage import Damage

HOUR = 3_600_000_000
DAY = 24 * HOUR
LONG_EXPIRED = 8 * DAY
"""Longer ago than the watch's grace, shorter than the worker's: no sweep comes before the watch."""


@dataclass(frozen=True)
class Target:
    """A document with its passages, and a stranger that no source ever held. Each is damaged once."""

    ref: Ref
    passages: int
    chance: random.Random
    now: int
    """µs since 1970."""

    @property
    def stranger(self) -> Ref:
        return Ref(self.ref.tenant, self.ref.namespace, f"stranger-{self.ref.key}")

    @property
    def any(self) -> int:
        """One of its passages."""
        return self.chance.randrange(self.passages)


@dataclass(frozen=True)
class Way:
    """One way to damage. `on_stranger`: what is damaged is not the document but the stranger, which is shaped like it."""

    kind: DriftKind
    do: Callable[[Damage, Target], Awaitable[object]]
    on_stranger: bool = False
    passages: int = 0
    """Of how many the document must be at least that can be damaged so; 1: of one with a text."""


async def lose_all(damage: Damage, target: Target) -> None:
    for passage in range(target.passages):
        await damage.lose(target.ref, passage)


async def lose_all_but_the_head(damage: Damage, target: Target) -> None:
    for passage in range(1, target.passages):
        await damage.lose(target.ref, passage)


async def stranger(damage: Damage, target: Target) -> None:
    await damage.orphan(target.stranger, target.ref, passages=target.passages, revision=target.now - HOUR)


async def expired_stranger(damage: Damage, target: Target) -> None:
    times = {"revision": target.now - 9 * DAY, "expires_at": target.now - LONG_EXPIRED}
    await damage.orphan(target.stranger, target.ref, passages=target.passages, **times)


WAYS = {
    "lost head": Way(DriftKind.MISSING, lambda damage, it: damage.lose(it.ref)),
    "lost altogether": Way(DriftKind.MISSING, lose_all),
    "cleared head": Way(DriftKind.MISSING, lambda damage, it: damage.clear(it.ref)),
    "older revision": Way(DriftKind.STALE, lambda damage, it: damage.change(it.ref, {"revision": 7}, it.any)),
    "other content": Way(DriftKind.STALE, lambda damage, it: damage.change(it.ref, {"content_hash": "0" * 32}, it.any)),
    "other model": Way(DriftKind.WRONG_MODEL, lambda damage, it: damage.change(it.ref, {"model": "other"}, it.any)),
    "lost passage": Way(
        DriftKind.PASSAGE_GAP, lambda damage, it: damage.lose(it.ref, 1 + it.chance.randrange(it.passages - 1)), passages=2
    ),
    "head alone": Way(DriftKind.PASSAGE_GAP, lose_all_but_the_head, passages=2),
    "surplus passage": Way(DriftKind.PASSAGE_GAP, lambda damage, it: damage.surplus(it.ref, it.passages)),
    "another's vector": Way(DriftKind.CORRUPT, lambda damage, it: damage.corrupt(it.ref, it.any, seed=it.chance.randrange(1 << 30))),
    "lost vector": Way(DriftKind.CORRUPT, lambda damage, it: damage.lose_vector(it.ref, it.any), passages=1),
    "other fields": Way(DriftKind.PAYLOAD, lambda damage, it: damage.change(it.ref, {"fields": {"text": "another"}}, it.any)),
    "other tenant": Way(DriftKind.PAYLOAD, lambda damage, it: damage.change(it.ref, {"tenant": "globex"}, it.any)),
    "twice": Way(DriftKind.DUPLICATE, lambda damage, it: damage.double(it.ref, it.any)),
    "stranger": Way(DriftKind.ORPHAN, stranger, on_stranger=True),
    "expired stranger": Way(DriftKind.EXPIRED, expired_stranger, on_stranger=True),
}
