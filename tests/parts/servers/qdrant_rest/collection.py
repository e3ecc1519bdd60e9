"""One collection: a shard of the engine, updated by one operation at a time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from tests.parts.servers.qdrant_rest.asking import (
    Json,
    RefusedError,
    as_filter,
    as_id,
    as_prefetches,
    as_query,
    as_schema,
    as_selection,
    as_vector,
    only,
)

Operation = tuple[str, Json]
"""A name as in Qdrant's batches, and its body."""
_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}
_MODES = {
    None: None,
    "upsert": edge.UpdateMode.Upsert,
    "insert_only": edge.UpdateMode.InsertOnly,
    "update_only": edge.UpdateMode.UpdateOnly,
}


class Collection:
    """`vectors`: name -> {size, distance}; the unnamed vector is called ""."""

    def __init__(self, folder: Path, vectors: Mapping[str, Json], sparse: Mapping[str, Json] | None = None) -> None:
        self.folder = folder
        self._sizes = {name: int(given["size"]) for name, given in vectors.items()}
        config = edge.EdgeConfig(
            vectors={
                name: edge.EdgeVectorParams(size=int(given["size"]), distance=_DISTANCES[given["distance"]])
                for name, given in vectors.items()
            },
            sparse_vectors={
                name: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf if given.get("modifier") == "idf" else None)
                for name, given in (sparse or {}).items()
            },
        )
        self._sparse = {*(sparse or {})}
        made = folder.is_dir()
        self._shard = edge.EdgeShard.load(str(folder)) if made else edge.EdgeShard.create(str(folder), config)
        self._updating = asyncio.Lock()

    async def update(self, operations: Sequence[Operation]) -> None:
        """One after another; what comes before a refused one stays applied, as it does in Qdrant."""
        for name, body in operations:
            async with self._updating:
                await _ask(self._apply, name, body)

    def _apply(self, name: str, body: Json) -> None:
        if name not in _OPERATIONS:
            raise RefusedError(400, f"the stand-in does not know the operation {name!r}")
        if name == "upsert":
            self._check_vectors(body)
        for operation in _OPERATIONS[name](body):
            self._shard.update(operation)

    def _check_vectors(self, body: Json) -> None:
        """Qdrant refuses a bad vector before it logs the request; the engine logs first, and replays half of it when it is opened."""
        for point in body.get("points") or ():
            given = point["vector"]
            for name, vector in (given if isinstance(given, dict) else {"": given}).items():
                if name in self._sparse and isinstance(vector, dict):
                    continue
                if name not in self._sizes:
                    raise RefusedError(400, f"Wrong input: Not existing vector name error: {name}")
                if len(vector) != self._sizes[name]:
                    raise RefusedError(400, f"Wrong input: Vector dimension error: expected dim: {self._sizes[name]}, got {len(vector)}")

    async def index(self, field: str, schema: Any) -> None:
        """Make a payload index."""
        async with self._updating:
            await _ask(self._shard.update, edge.UpdateOperation.create_field_index(field, as_schema(schema)))

    async def drop_index(self, field: str) -> None:
        async with self._updating:
            await _ask(self._shard.update, edge.UpdateOperation.delete_field_index(field))

    async def retrieve(self, body: Json) -> Any:
        ids = [as_id(each) for each in body["ids"]]
        with_payload = as_selection(body.get("with_payload"), otherwise=True)
        records = await _ask(self._shard.retrieve, ids, with_payload, body.get("with_vector") or False)
        return [_record(each) for each in records]

    async def scroll(self, body: Json) -> Any:
        only(body, "offset", "limit", "filter", "with_payload", "with_vector")
        request = edge.ScrollRequest(
            offset=None if body.get("offset") is None else as_id(body["offset"]),
            limit=body.get("limit") or 10,
            filter=as_filter(body.get("filter")),
            with_payload=as_selection(body.get("with_payload"), otherwise=True),
            with_vector=body.get("with_vector") or False,
        )
        records, following = await _ask(self._shard.scroll, request)
        return {"points": [_record(each) for each in records], "next_page_offset": following}

    async def query(self, body: Json) -> Any:
        only(body, "query", "using", "filter", "params", "limit", "offset", "score_threshold", "with_payload", "with_vector", "prefetch")
        params = body.get("params") or {}
        only(params, "exact", "hnsw_ef", "indexed_only")
        request = edge.QueryRequest(
            limit=10 if body.get("limit") is None else body["limit"],
            offset=body.get("offset") or 0,
            prefetches=as_prefetches(body.get("prefetch")),
            query=as_query(body.get("query"), body.get("using")),
            filter=as_filter(body.get("filter")),
            score_threshold=body.get("score_threshold"),
            params=edge.SearchParams(**{name: value for name, value in params.items() if value is not None}) if params else None,
            with_payload=as_selection(body.get("with_payload"), otherwise=False),
            with_vector=body.get("with_vector") or False,
        )
        found = await _ask(self._shard.query, request)
        return {"points": [{**_record(each), "version": each.version, "score": each.score} for each in found]}

    async def count(self, body: Json) -> Any:
        only(body, "filter", "exact")
        request = edge.CountRequest(exact=body.get("exact") is not False, filter=as_filter(body.get("filter")))
        return {"count": await _ask(self._shard.count, request)}

    async def facet(self, body: Json) -> Any:
        only(body, "key", "limit", "exact", "filter")
        request = edge.FacetRequest(body["key"], body.get("limit") or 10, bool(body.get("exact")), as_filter(body.get("filter")))
        answer = await _ask(self._shard.facet, request)
        return {"hits": [{"value": hit.value, "count": hit.count} for hit in answer.hits]}

    def info(self) -> Any:
        """The engine's own figures."""
        return self._shard.info()

    async def close(self) -> None:
        async with self._updating:
            await _ask(self._shard.close)


async def _ask(call: Callable[..., Any], *arguments: Any) -> Any:
    """On a thread: the engine lets go of Python's lock. It has one class for all errors, and nearly all of them are the request's."""
    try:
        return await asyncio.to_thread(call, *arguments)
    except RefusedError:
        raise
    except Exception as error:
        raise RefusedError(400, f"Wrong input: {error}") from error


def _record(record: Any) -> dict[str, Any]:
    given = record.vector
    vector = {name: _json(each) for name, each in given.items()} if isinstance(given, dict) else given
    return {"id": record.id, "payload": record.payload, "vector": vector}


def _json(vector: Any) -> Any:
    return {"indices": vector.indices, "values": vector.values} if isinstance(vector, edge.SparseVector) else vector


def _named(given: Any) -> Any:
    return {name: as_vector(vector) for name, vector in given.items()} if isinstance(given, dict) else given


def _upsert(body: Json) -> list[Any]:
    only(body, "points", "update_filter", "update_mode")
    points = [edge.Point(as_id(point["id"]), _named(point["vector"]), point.get("payload")) for point in body["points"]]
    return [edge.UpdateOperation.upsert_points(points, as_filter(body.get("update_filter")), _MODES[body.get("update_mode")])]


def _selected(body: Json, by_id: Callable[..., Any], by_filter: Callable[..., Any], *arguments: Any) -> list[Any]:
    """The points or the filter, as the request has it."""
    if body.get("points") is not None:
        return [by_id([as_id(each) for each in body["points"]], *arguments)]
    if body.get("filter") is None:
        raise RefusedError(400, "either points or a filter must be given")
    return [by_filter(as_filter(body["filter"]), *arguments)]


def _update_vectors(body: Json) -> list[Any]:
    only(body, "points", "update_filter")
    vectors = [edge.PointVectors(as_id(point["id"]), point["vector"]) for point in body["points"]]
    return [edge.UpdateOperation.update_vectors(vectors, as_filter(body.get("update_filter")))]


_DO: Any = edge.UpdateOperation
_OPERATIONS: dict[str, Callable[[Json], list[Any]]] = {
    "upsert": _upsert,
    "delete": lambda body: _selected(body, _DO.delete_points, _DO.delete_points_by_filter),
    "set_payload": lambda body: _selected(body, _DO.set_payload, _DO.set_payload_by_filter, body["payload"], body.get("key")),
    "overwrite_payload": lambda body: _selected(
        body, _DO.overwrite_payload, _DO.overwrite_payload_by_filter, body["payload"], body.get("key")
    ),
    "delete_payload": lambda body: _selected(body, _DO.delete_payload, _DO.delete_payload_by_filter, body["keys"]),
    "clear_payload": lambda body: _selected(body, _DO.clear_payload, _DO.clear_payload_by_filter),
    "update_vectors": _update_vectors,
    "delete_vectors": lambda body: _selected(body, _DO.delete_vectors, _DO.delete_vectors_by_filter, body["vector"]),
}
