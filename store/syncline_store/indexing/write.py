"""Steps 5 and 6: embed the texts of all documents together, then write: refreshes, passages, surplus, heads, each in one call.

What the embedder or the index refuses is isolated: its batch-mates go through (invariant 8).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline_contracts.identity import Ref
from syncline_store.embedding.protocol import Embedder, Vectors
from syncline_store.indexing.deadline import Deadline
from syncline_store.indexing.decide import Case, Embed
from syncline_store.indexing.embed import embed_texts
from syncline_store.indexing.isolate import Poison, isolate, spared
from syncline_store.indexing.plan import Planned, together

if TYPE_CHECKING:  # qdrant-client takes seconds to import
    from syncline_store.index.index import Index

Texts = tuple[Case, Embed]


@dataclass(frozen=True, slots=True)
class Writer:
    """Embeds and writes. `attempts`: how often what is refused alone is tried."""

    index: "Index"
    embedder: Embedder
    attempts: int

    async def embed(self, wanted: Sequence[Texts]) -> tuple[dict[Ref, Vectors], list[Poison[Texts]]]:
        """The vectors of each document's passages, and what was refused."""
        vectors: dict[Ref, Vectors] = {}

        async def work(items: Sequence[Texts]) -> None:
            texts = [passage.text for _, embed in items for passage in embed.content.passages]
            found = await embed_texts(self.embedder, texts, self.index.dimensions)
            end = 0
            for case, embed in items:
                start, end = end, end + len(embed.content.passages)
                vectors[case.work.ref] = found[start:end]

        return vectors, await isolate(wanted, work, self.attempts)

    async def write(self, planned: Sequence[Planned], deadline: Deadline) -> list[Poison[Planned]]:
        """Heads last: a crash in between leaves the old head, and redelivery does it all again (H3, H4, H18)."""
        poisons: list[Poison[Planned]] = []
        for step in (self._refreshes, self._passages, self._surplus, self._heads):
            refused = await isolate(planned, _in_time(step, deadline), self.attempts)
            planned = spared(planned, refused)
            poisons += refused
        return poisons

    async def _refreshes(self, planned: Sequence[Planned]) -> None:
        await self.index.refresh([plan.refresh for plan in planned if plan.refresh])

    async def _passages(self, planned: Sequence[Planned]) -> None:
        await self.index.upsert(together((plan, plan.passages) for plan in planned))

    async def _surplus(self, planned: Sequence[Planned]) -> None:
        await self.index.remove([plan.surplus for plan in planned if plan.surplus])

    async def _heads(self, planned: Sequence[Planned]) -> None:
        await self.index.upsert(together((plan, [plan.head] if plan.head else []) for plan in planned))


Step = Callable[[Sequence[Planned]], Awaitable[None]]


def _in_time(step: Step, deadline: Deadline) -> Step:
    async def timely(planned: Sequence[Planned]) -> None:
        deadline.check()
        await step(planned)

    return timely
