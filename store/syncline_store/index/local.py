"""The write path in qdrant-client's local mode: by point ids only.

A filter there is evaluated in Python over every point (200 ms at 20,000), a look by id takes a microsecond. The folder's lock
is ours alone, so a small directory of the documents that ever had more than one passage says which ids to ask for; what is
read and then written within one call is atomic, since the client's thread runs one call at a time.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.identity import point_id
from syncline_store.index.changes import Refresh, Removal, Upsert
from syncline_store.index.client import Client
from syncline_store.index.points import VECTOR, Field, PointState
from syncline_store.index.request import as_filter, as_point, pieces, within
from syncline_store.index.state import NO_REVISION, STATE, document, integer, state

MAX_POINTS = 64
"""Points of one call: on disk each is a commit of about a millisecond, and a search must be able to slip in between."""
PAGE = 10_000


class LocalPoints:
    """Points of documents: read, upsert, refresh, remove."""

    def __init__(self, client: Client, collection: str) -> None:
        self._client = client
        self._collection = collection
        self._highest: dict[uuid.UUID, int] | None = None  # owned by the client's thread
        """The highest passage number ever seen, of documents with more than one."""

    async def points(self, documents: Sequence[uuid.UUID]) -> list[PointState]:
        """Every point of these documents."""
        return await self._client.call(lambda qdrant: self._points(qdrant, documents), "points")

    async def _points(self, qdrant: AsyncQdrantClient, documents: Sequence[uuid.UUID]) -> list[PointState]:
        highest = await self._directory(qdrant)
        places = {point_id(each, passage): (each, passage) for each in documents for passage in range(highest.get(each, 0) + 1)}
        records = await qdrant.retrieve(self._collection, list(places), with_payload=list(STATE))
        return [_state(record, *places[str(record.id)]) for record in records]

    async def _directory(self, qdrant: AsyncQdrantClient) -> dict[uuid.UUID, int]:
        if self._highest is None:
            self._highest = {}
            where = models.Filter(must=[within(Field.PASSAGE, gte=1)])
            after: models.ExtendedPointId | None = None
            while True:
                points, after = await qdrant.scroll(
                    self._collection, where, limit=PAGE, offset=after, with_payload=[Field.DOCUMENT, Field.PASSAGE]
                )
                for point in points:
                    self._remember(self._highest, document(point.payload or {}), integer(point.payload or {}, Field.PASSAGE, 0))
                if after is None:
                    break
        return self._highest

    @staticmethod
    def _remember(highest: dict[uuid.UUID, int], owner: uuid.UUID, passage: int) -> None:
        if passage > highest.get(owner, 0):
            highest[owner] = passage

    async def upsert(self, operations: Sequence[Upsert]) -> None:
        """Each operation under its own guard."""
        for request in pieces(operations, MAX_POINTS):
            await self._client.call(lambda qdrant, request=request: self._upsert(qdrant, request), "upsert")  # type: ignore[misc]  # as in remote.py

    async def _upsert(self, qdrant: AsyncQdrantClient, operations: Sequence[Upsert]) -> None:
        highest = await self._directory(qdrant)
        for operation in operations:
            for point in operation.points:
                self._remember(highest, point.document, point.payload[Field.PASSAGE])
            await qdrant.upsert(self._collection, [as_point(point) for point in operation.points], update_filter=as_filter(operation.guard))

    async def refresh(self, changes: Sequence[Refresh]) -> None:
        """Look and set, in one call."""
        await self._client.call(lambda qdrant: self._refresh(qdrant, changes), "refresh")

    async def _refresh(self, qdrant: AsyncQdrantClient, changes: Sequence[Refresh]) -> None:
        highest = await self._directory(qdrant)
        for change in changes:
            ids = [point_id(change.document, passage) for passage in range(highest.get(change.document, 0) + 1)]
            records = await qdrant.retrieve(self._collection, ids, with_payload=list(STATE), with_vectors=[VECTOR])
            chosen: list[models.ExtendedPointId] = [record.id for record in records if _refreshable(record, change)]
            if chosen:
                await qdrant.set_payload(self._collection, change.payload, points=chosen)

    async def remove(self, removals: Sequence[Removal]) -> None:
        """Look and delete, in one call."""
        await self._client.call(lambda qdrant: self._remove(qdrant, removals), "remove")

    async def _remove(self, qdrant: AsyncQdrantClient, removals: Sequence[Removal]) -> None:
        highest = await self._directory(qdrant)
        for removal in removals:
            passages = range(removal.from_passage, highest.get(removal.document, 0) + 1)
            ids = [point_id(removal.document, passage) for passage in passages]
            records = await qdrant.retrieve(self._collection, ids, with_payload=list(STATE)) if ids else []
            chosen: list[models.ExtendedPointId] = [record.id for record in records if _removable(record, removal)]
            if chosen:
                await qdrant.delete(self._collection, points_selector=chosen)


def _state(record: models.Record, owner: uuid.UUID, passage: int) -> PointState:
    """Whose it is follows from its id, whatever somebody made of the payload."""
    return replace(state(record.payload or {}), document=owner, passage=passage)


def _refreshable(record: models.Record, change: Refresh) -> bool:
    """The same as request.refreshable, here in Python."""
    now = state(record.payload or {})
    has_vector = bool(record.vector)
    earlier = now.revision > NO_REVISION and now.version < (change.revision, change.expires_at)
    return has_vector and now.text_hash == change.text_hash and earlier


def _removable(record: models.Record, removal: Removal) -> bool:
    """The same as request.removable, here in Python."""
    now = state(record.payload or {})
    return now.revision < removal.below or now.version in removal.seen
