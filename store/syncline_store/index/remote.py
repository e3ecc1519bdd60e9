"""The write path against a Qdrant server: filters do the work, many documents a request, durable before it returns.

`wait=True`: an answer means that the operation was applied, so that settle sees it and an event is acknowledged only after its effect
(invariant 6). `ordering` stays Qdrant's weakest: the guard decides which revision stands in whatever order operations arrive
(invariants 3 and 12), and a stronger one would send every write through one replica for nothing.
"""

import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from syncline_store.index.changes import Refresh, Removal, Upsert
from syncline_store.index.client import Client
from syncline_store.index.page import Asked, Offset, by_json, by_models
from syncline_store.index.points import PointState
from syncline_store.index.request import as_filter, as_json, as_point, of_documents, pieces, refreshable, removable
from syncline_store.index.state import STATE, state

MAX_DOCUMENTS = 256
"""Documents that one scroll asks for."""
MAX_OPERATIONS = 64
"""Operations of one request that select by filter."""
PAGE = 1_000


class RemotePoints:
    """Points of documents: read, upsert, refresh, remove."""

    def __init__(self, client: Client, collection: str) -> None:
        self._client = client
        self._collection = collection

    async def points(self, documents: Sequence[uuid.UUID]) -> list[PointState]:
        """Every point of these documents."""
        found: list[PointState] = []
        for start in range(0, len(documents), MAX_DOCUMENTS):
            found += await self._scroll(models.Filter(must=[of_documents(documents[start : start + MAX_DOCUMENTS])]))
        return found

    async def _scroll(self, where: models.Filter) -> list[PointState]:
        asked, read = Asked(self._collection, where, STATE, PAGE), by_json if self._client.rest else by_models
        found: list[PointState] = []
        after: Offset = None
        while True:
            points, after = await self._client.in_bulk(
                lambda qdrant, after=after: read(qdrant, asked, after),  # type: ignore[misc]  # mypy does not infer a default's type in a lambda
                "points",
            )
            found += [state(payload or {}) for _, payload in points]
            if after is None:
                return found

    async def upsert(self, operations: Sequence[Upsert]) -> None:
        """In requests of some 256 points; each operation under its own guard."""
        upsert = self._as_json if self._client.rest else self._as_models
        for request in pieces(operations):
            await self._client.in_bulk(partial(upsert, request), "upsert")

    async def _as_json(self, request: Sequence[Upsert], qdrant: AsyncQdrantClient) -> object:
        """By the client's own request. Its models, and its look through them for texts to embed, would cost as much as all of this."""
        return await qdrant.http.client.request(
            type_=dict[str, Any],
            method="POST",
            url="/collections/{collection_name}/points/batch",
            path_params={"collection_name": self._collection},
            params={"wait": "true"},
            headers={"Content-Type": "application/json"},
            content=as_json(request),
        )

    async def _as_models(self, request: Sequence[Upsert], qdrant: AsyncQdrantClient) -> object:
        operations = [
            models.UpsertOperation(
                upsert=models.PointsList.model_construct(
                    points=[as_point(point) for point in operation.points], update_filter=as_filter(operation.guard)
                )
            )
            for operation in request
        ]
        return await qdrant.batch_update_points(self._collection, operations, wait=True)

    async def refresh(self, changes: Sequence[Refresh]) -> None:
        """One operation a document."""
        for start in range(0, len(changes), MAX_OPERATIONS):
            await self._update(
                [
                    models.SetPayloadOperation(set_payload=models.SetPayload(payload=change.payload, filter=refreshable(change)))
                    for change in changes[start : start + MAX_OPERATIONS]
                ],
                "refresh",
            )

    async def remove(self, removals: Sequence[Removal]) -> None:
        """One operation a document."""
        for start in range(0, len(removals), MAX_OPERATIONS):
            await self._update(
                [
                    models.DeleteOperation(delete=models.FilterSelector(filter=removable(removal)))
                    for removal in removals[start : start + MAX_OPERATIONS]
                ],
                "remove",
            )

    async def _update(self, operations: list[models.UpdateOperation], what: str) -> None:
        async def ask(qdrant: AsyncQdrantClient) -> object:
            return await qdrant.batch_update_points(self._collection, operations, wait=True)

        await self._client.in_bulk(ask, what)
