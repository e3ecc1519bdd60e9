"""The index: one Qdrant collection, read and written under guards. Opened once a process; every method may raise IndexUnavailable."""

import uuid
from collections.abc import AsyncIterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from qdrant_client import AsyncQdrantClient, models

from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import Page
from syncline_store.filters.declared import Declared
from syncline_store.index import stamp
from syncline_store.index.alias import Built, built, turn
from syncline_store.index.changes import Refresh, Removal, Stray, Upsert
from syncline_store.index.client import Client
from syncline_store.index.collection import described, ensure, ensure_beside, refuse_without_words, target
from syncline_store.index.declared import DeclaredFields
from syncline_store.index.local import LocalPoints
from syncline_store.index.points import VECTOR, Field, Mark, PointState
from syncline_store.index.remote import RemotePoints
from syncline_store.index.request import match, of_strays, within
from syncline_store.index.scan import IndexPoints, scan
from syncline_store.index.search import by_filter, fused, nearest
from syncline_store.index.state import Found
from syncline_store.sparse import Sparse


class Index:
    """A collection that only one embedding model writes to. Make it with `Index.open`.

    It stays with its collection when the alias is switched to another one.
    """

    def __init__(self, client: Client, collection: str, model: str, dimensions: int, *, alias: str | None = None) -> None:
        self._client = client
        self._collection = collection
        self._alias = alias or collection
        self.model = model
        self.dimensions = dimensions
        self._declared = DeclaredFields(client, collection)
        self._takes_words = False  # nobody takes a sparse vector's name from a collection, so True stays so
        self._writes = (LocalPoints if client.local else RemotePoints)(client, collection)

    @staticmethod
    async def open(url: str, *, collection: str, embedder: Embedder, api_key: str | None = None, grpc_port: int | None = None) -> "Index":
        """Open ``path:FOLDER``, ``:memory:`` or a server's URL; make the collection and its payload indexes unless they are there.

        Raises IndexMismatch if it was built with another model or dimension, IndexLocked if another process holds the folder,
        IndexUnavailable. Nothing was written then.
        """
        client = await Client.open(url, api_key, grpc_port)
        model, dimensions = embedder.model, embedder.dimensions
        try:
            found = await client.call(lambda qdrant: ensure(qdrant, collection, model, dimensions, local=client.local))
        except BaseException:
            await client.aclose()
            raise
        return Index(client, found, model, dimensions, alias=collection)

    async def beside(self, embedder: Embedder) -> "Index":
        """The index of another model: made unless it is there, the alias left as it is. Shares this one's connection, and ends with it.

        Raises IndexMismatch, IndexUnavailable.
        """
        model, dimensions, client = embedder.model, embedder.dimensions, self._client
        found = await client.call(lambda qdrant: ensure_beside(qdrant, self._alias, model, dimensions, local=client.local))
        return Index(client, found, model, dimensions, alias=self._alias)

    @property
    def collection(self) -> str:
        """The collection's own name."""
        return self._collection

    @property
    def alias(self) -> str:
        """The name that the settings give."""
        return self._alias

    async def serving(self) -> str | None:
        """The collection that the alias points to now."""
        return await self._client.call(lambda qdrant: target(qdrant, self._alias))

    async def collections(self) -> list[Built]:
        """All collections of the alias, the one that it points to first."""
        return await self._client.call(lambda qdrant: built(qdrant, self._alias))

    async def turn(self, collection: str, *, remember: bool) -> None:
        """Point the alias at another collection, in one request. `remember` what it pointed to, for a rollback."""
        await self._client.call(lambda qdrant: turn(qdrant, self._alias, collection, remember=remember))

    async def drop(self, collection: str) -> None:
        """Delete a collection with all its points."""
        await self._client.call(lambda qdrant: qdrant.delete_collection(collection))

    @property
    def local(self) -> bool:
        """In this process, in a folder that no other process may open."""
        return self._client.local

    async def source(self) -> str | None:
        """The identity of the store whose index this is, as the collection says it now; None where it does not say."""
        return await self._client.call(lambda qdrant: stamp.read(qdrant, self._collection))

    async def claim(self, source: str) -> None:
        """Stamp a new collection, one without a point and without a stamp, as this store's."""
        await self._client.call(lambda qdrant: stamp.claim(qdrant, self._collection, source))

    async def adopt(self, source: str) -> None:
        """Say of the collection that it is this store's from now on."""
        await self._client.call(lambda qdrant: stamp.write(qdrant, self._collection, source))

    async def points(self, documents: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[PointState]]:
        """Each document's points, tombstones included, by passage; an empty list where there are none."""
        found: dict[uuid.UUID, list[PointState]] = {document: [] for document in documents}
        for point in await self._writes.points(list(found)):
            found[point.document].append(point)
        for points in found.values():
            points.sort(key=attrgetter("passage"))
        return found

    async def upsert(self, operations: Sequence[Upsert]) -> None:
        """Write points under their guards, in order. Raises DocumentRefused if the index takes one of them by no means."""
        if operations:
            await self._writes.upsert(operations)

    async def refresh(self, changes: Sequence[Refresh]) -> None:
        """Change payloads where the text is the same and the revision lower."""
        if changes:
            await self._writes.refresh(changes)

    async def declare(self, fields: Declared) -> None:
        """See that a server has the payload indexes of these filterable fields, as far as they have a type. Idempotent."""
        await self._declared.make(fields)

    async def take_words(self) -> None:
        """See that the collection takes sparse vectors, as a hybrid namespace needs it to. Idempotent. Raises IndexMismatch."""
        if not self._takes_words:
            refuse_without_words(await self._client.call(lambda qdrant: described(qdrant, self._collection)), self._collection)
            self._takes_words = True

    async def remove(self, removals: Sequence[Removal]) -> None:
        """Delete passages, never a head."""
        if removals:
            await self._writes.remove(removals)

    def scan(self, first: int, last: int, block: int = 10_000) -> AsyncIterator[IndexPoints]:
        """Every point of the segments first..last (inclusive), in blocks of at most `block` points, in no order."""
        return scan(self._client, self._collection, first, last, block)

    async def payloads(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """All that these points say of themselves, as far as they are there."""
        records = await self._client.call(lambda qdrant: qdrant.retrieve(self._collection, ids, with_payload=True)) if ids else []
        return {str(record.id): record.payload or {} for record in records}

    async def vectors(self, ids: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """The vectors of these points, as far as they have one: float32[dimensions]."""

        async def ask(qdrant: AsyncQdrantClient) -> list[models.Record]:
            return await qdrant.retrieve(self._collection, ids, with_payload=False, with_vectors=[VECTOR])

        records = await self._client.call(ask) if ids else []
        named = {str(record.id): record.vector for record in records}
        return {point: np.asarray(vector[VECTOR], np.float32) for point, vector in named.items() if isinstance(vector, dict) and vector}

    async def search(
        self,
        vector: npt.NDArray[np.float32],
        where: models.Filter,
        limit: int,
        offset: int = 0,
        threshold: float | None = None,
    ) -> list[Found]:
        """The passages nearest to a vector among those that match, best first. Raises InvalidFilter."""
        return await nearest(self._client, self._collection, vector, where, limit=limit, offset=offset, threshold=threshold)

    async def hybrid(self, vector: npt.NDArray[np.float32], words: Sparse, where: models.Filter, limit: int) -> list[Found]:
        """The passages that match, by their rank among the nearest and among those with the words (RRF). Raises InvalidFilter."""
        return await fused(self._client, self._collection, vector, words, where, limit=limit)

    async def filtered(self, where: models.Filter, after: str | None, limit: int) -> Page[Found]:
        """The heads that match, in the order of their ids; scores are 0. Raises InvalidFilter."""
        return await by_filter(self._client, self._collection, where, after, limit)

    async def count(self) -> int:
        """How many points there are, tombstones included."""
        return await self._count(None)

    async def purge(self, now: int, grace: int) -> int:
        """The sweep: delete living points `grace` µs after they expired, and tombstones whose purge time has come (H7, H14).

        Gives about how many: what other processes delete meanwhile is counted as well.
        """
        expired = models.Filter(must=[match(Field.MARK, Mark.LIVE), within(Field.EXPIRES_AT, lte=now - grace)])
        buried = models.Filter(must=[within(Field.PURGE_AT, lte=now)], must_not=[match(Field.MARK, Mark.LIVE)])
        dead = models.Filter(should=[expired, buried])
        found = await self._count(dead)
        if found:

            async def delete(qdrant: AsyncQdrantClient) -> object:
                return await qdrant.delete(self._collection, points_selector=models.FilterSelector(filter=dead), wait=True)

            await self._client.call(delete)
        return found

    async def delete_strays(self, strays: Sequence[Stray]) -> None:
        """Delete points under strange ids, those that are still what was seen."""
        selector = models.FilterSelector(filter=of_strays(strays))
        await self._client.call(lambda qdrant: qdrant.delete(self._collection, points_selector=selector, wait=True))

    async def _count(self, where: models.Filter | None) -> int:
        answer = await self._client.call(lambda qdrant: qdrant.count(self._collection, where, exact=True))
        return answer.count

    async def aclose(self) -> None:
        """Let go of the connection, or of the folder."""
        await self._client.aclose()
