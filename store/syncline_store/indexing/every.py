"""The indexers of all collections that must be kept in step: the one that is searched and, while a model is migrated, the next one."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

from syncline_contracts.errors import IndexMismatch
from syncline_contracts.identity import Ref
from syncline_store.engines.protocol import DeadLetters
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.letters import resolve
from syncline_store.indexing.outcome import Buried, Deferred, Done, Handled, Outcome

if TYPE_CHECKING:  # qdrant-client takes seconds to import
    from syncline_store.index.index import Index
    from syncline_store.indexing.indexer import Indexer

LOOK_EVERY = 5.0
"""Seconds between two looks at what the alias points to."""


class EveryIndex:
    """Brings documents in step in every collection that this process writes: an outcome is given once all of them have it.

    A part of either model that is out is an outage of the whole: nothing is acknowledged then, so that neither loses anything. An
    event that is ahead of its document is deferred once, not once for each model, or each deferral would double it.

    Refuses to write where the alias points to a collection that is not among them: what it acknowledged would be missing there.
    """

    def __init__(
        self, indexes: Sequence["Index"], own: "Indexer", following: "Indexer | None", dead_letters: DeadLetters, every: float = LOOK_EVERY
    ) -> None:
        self._index = indexes[0]
        self._collections = {index.collection for index in indexes}
        self._own = own
        self._next = following
        self._dead_letters = dead_letters
        self._every = every
        self._looked_at = float("-inf")

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """One outcome a delivery, in order. Raises as the indexer does, and IndexMismatch where the alias points elsewhere."""
        await self._look()
        outcomes = await self._own.index(deliveries)
        if self._next is None:
            return outcomes
        again = [each for each, outcome in zip(deliveries, outcomes, strict=True) if not isinstance(outcome, Deferred)]
        others = {outcome.ref: outcome for outcome in await self._next.index(again)}
        merged = {outcome.ref: _both(outcome, others.get(outcome.ref, outcome)) for outcome in outcomes}
        await self._resolve(merged)
        return [merged[outcome.ref] for outcome in outcomes]

    async def _resolve(self, outcomes: dict[Ref, Outcome]) -> None:
        """Only what both have is resolved."""
        await resolve(self._dead_letters, {ref.document: each.revision for ref, each in outcomes.items() if isinstance(each, Handled)})

    async def _look(self) -> None:
        """A local index is this process's alone, so that nobody else can have switched it since it was opened."""
        now = asyncio.get_running_loop().time()
        if now < self._looked_at + self._every or (self._index.local and self._looked_at > 0):
            return
        serving = await self._index.serving()
        if serving is not None and serving not in self._collections:
            raise IndexMismatch(
                f"{self._index.alias!r} points to {serving!r} now, which these settings do not write to, so that writes would be missing "
                f"there: name its model in `embedder` (and in `next` the one that a rollback goes back to), then start this process again"
            )
        self._looked_at = now


def _both(own: Outcome, following: Outcome) -> Outcome:
    """What the two come to: handled where both have it, at the revision that both have."""
    match own:
        case Deferred() | Buried():
            return own
        case Handled():
            if not isinstance(following, Handled):
                return following
            how = following.how if own.how is Done.SKIPPED else own.how
            return Handled(own.ref, min(own.revision, following.revision), how)
        case _:
            assert_never(own)
