"""Finding points: by vector, or by filter alone."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from qdrant_client import AsyncQdrantClient, models

from syncline_contracts.errors import DocumentRefused, InvalidFilter
from syncline_store.engines.protocol import Page
from syncline_store.index.client import Client
from syncline_store.index.points import SPARSE, VECTOR, Field
from syncline_store.index.request import match
from syncline_store.index.state import REF, STATE, Found, ref, span, state
from syncline_store.sparse import Sparse

T = TypeVar("T")
_FOUND = [*STATE, *REF, Field.SPAN]
DEPTH = 100
"""Passages of each side that are ranked at the least, so that the first page's order is that of a longer one."""


async def nearest(
    client: Client,
    collection: str,
    vector: npt.NDArray[np.float32],
    where: models.Filter,
    *,
    limit: int,
    offset: int,
    threshold: float | None,
) -> list[Found]:
    """The passages nearest to a vector, best first; damaged points that do not say whose they are are left out."""

    async def ask(qdrant: AsyncQdrantClient) -> models.QueryResponse:
        return await qdrant.query_points(
            collection,
            query=vector.tolist(),
            using=VECTOR,
            query_filter=where,
            limit=limit,
            offset=offset,
            score_threshold=threshold,
            with_payload=list(_FOUND),
        )

    answer = await _ask(client.call(ask, "nearest"))
    return _found([(point.payload or {}, point.score) for point in answer.points])


async def fused(
    client: Client, collection: str, vector: npt.NDArray[np.float32], words: Sparse, where: models.Filter, *, limit: int
) -> list[Found]:
    """By reciprocal rank fusion, best first. The filter, and the tenant with it, is each side's own: Qdrant ranks before it fuses."""
    depth = max(limit, DEPTH)
    sparse = models.SparseVector(indices=list(words.indices), values=list(words.values))

    async def ask(qdrant: AsyncQdrantClient) -> models.QueryResponse:
        return await qdrant.query_points(
            collection,
            prefetch=[
                models.Prefetch(query=vector.tolist(), using=VECTOR, filter=where, limit=depth),
                models.Prefetch(query=sparse, using=SPARSE, filter=where, limit=depth),
            ],
            query=models.FusionQuery(fusion=models.Fusion.RRF),
            limit=limit,
            with_payload=list(_FOUND),
        )

    answer = await _ask(client.call(ask, "hybrid"))
    return _found([(point.payload or {}, point.score) for point in answer.points])


async def by_filter(client: Client, collection: str, where: models.Filter, after: str | None, limit: int) -> Page[Found]:
    """Heads that match, in the order of their ids."""
    heads = models.Filter(must=[match(Field.PASSAGE, 0), where])

    async def ask(qdrant: AsyncQdrantClient) -> tuple[list[models.Record], models.ExtendedPointId | None]:
        return await qdrant.scroll(collection, heads, limit=limit, offset=after, with_payload=list(_FOUND))

    records, following = await _ask(client.call(ask, "filtered"))
    return Page(_found([(record.payload or {}, 0.0) for record in records]), None if following is None else str(following))


async def _ask(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except DocumentRefused as error:
        raise InvalidFilter("filter", f"the index does not take it: {error}") from error


def _found(payloads: Sequence[tuple[Mapping[str, Any], float]]) -> list[Found]:
    found = []
    for payload, score in payloads:
        whose = ref(payload)
        if whose is not None:
            found.append(Found(state(payload), whose, span(payload), score))
    return found
