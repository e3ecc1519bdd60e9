"""A document is in one call of the indexer at a time: who comes second finds in the index what the first one did, and embeds nothing."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from syncline_store.indexing.catch_up import Indexes
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Outcome


class OneAtATime:
    """An indexer whose calls wait for those that have a document in common with them; others go beside each other.

    A put that indexes inline and the catch-up, which reads the put's outbox row, come with the same event. Both look at the index
    first, so that it is enough not to look while the other is between its look and its write. A call takes all its documents at
    once or none, so that no two wait for each other. Correctness does not stand on it: other processes do not wait (invariant 12).
    """

    def __init__(self, indexer: Indexes) -> None:
        self._indexer = indexer
        self._under_way: set[UUID] = set()
        self._ended = asyncio.Event()

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """As the indexer does. Raises what it raises."""
        documents = {delivery.event.ref.document for delivery in deliveries}
        while not self._under_way.isdisjoint(documents):
            self._ended.clear()
            await self._ended.wait()
        with self._having(documents):
            return await self._indexer.index(deliveries)

    @contextmanager
    def _having(self, documents: set[UUID]) -> Iterator[None]:
        self._under_way |= documents
        try:
            yield
        finally:
            self._under_way -= documents
            self._ended.set()
