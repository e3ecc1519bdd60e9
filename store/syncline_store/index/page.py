"""A page of points, ids and payloads, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from syncline_store.index.request import plain

Offset = models.ExtendedPointId | None
Point = tuple[models.ExtendedPointId, Mapping[str, Any] | None]
"""A point's id and its payload."""
Page = tuple[Sequence[Point], Offset]
"""Points, and where the next page begins; None behind the last."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which points, what of their payloads, and how many a page."""

    collection: str
    where: models.Filter | None
    fields: Sequence[str]
    limit: int


async def by_models(qdrant: AsyncQdrantClient, asked: Asked, after: Offset) -> Page:
    """As the client gives it, in whichever of its modes."""
    records, following = await qdrant.scroll(
        asked.collection, asked.where, limit=asked.limit, offset=after, with_payload=list(asked.fields)
    )
    return [(record.id, record.payload) for record in records], following


async def by_json(qdrant: AsyncQdrantClient, asked: Asked, after: Offset) -> Page:
    """A server's, by the client's own request. Its models would cost as much as all else together, and are not looked at."""
    body = {"limit": asked.limit, "offset": after, "with_payload": list(asked.fields), "with_vector": False}
    answer = await qdrant.http.client.request(
        type_=dict[str, Any],
        method="POST",
        url="/collections/{collection_name}/points/scroll",
        path_params={"collection_name": asked.collection},
        json=body if asked.where is None else body | {"filter": plain(asked.where)},
    )
    found = answer["result"]
    return [(point["id"], point.get("payload")) for point in found["points"]], found.get("next_page_offset")
