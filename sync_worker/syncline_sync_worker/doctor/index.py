"""The vector index: the server's version, the collection, and what it was made with."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from qdrant_client import models

from syncline_contracts.errors import IndexLocked, SynclineError
from syncline_store.embedding.build import build_embedder
from syncline_store.index.client import Client
from syncline_store.index.collection import INDEXED, described, model_of
from syncline_store.index.points import VECTOR
from syncline_store.settings import MEMORY
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.doctor.finding import Finding, fail, ok
from syncline_sync_worker.doctor.version import parsed

FLOOR = (1, 19)
"""Before, a replay of the log could bring back points that were deleted by a filter."""
PORT_WITHIN = 5.0
"""Seconds that the gRPC port is given to answer: less than the whole part has, so that what is silent is named."""


async def look(configuration: Configuration) -> AsyncGenerator[Finding, None]:
    """Raises IndexUnavailable, ConfigurationError."""
    if configuration.local_index and not _is_there(configuration.index):
        yield ok("collection", f"{configuration.index} is made when it is opened")
        return
    key = configuration.index_api_key
    try:
        client = await Client.open(configuration.index, None if key is None else key.get_secret_value(), configuration.index_grpc_port)
    except IndexLocked:
        yield ok("collection", f"another process holds {configuration.index}, and sees to it")
        return
    try:
        if not client.local:
            yield version_verdict((await client.call(lambda qdrant: qdrant.info())).version)
            if configuration.index_grpc_port is not None:
                yield await _look_at_port(client, configuration.index_grpc_port)
        info = await client.call(lambda qdrant: described(qdrant, configuration.collection))
        async for finding in _look_at_collection(configuration, info, local=client.local):
            yield finding
    finally:
        await client.aclose()


async def _look_at_port(client: Client, port: int) -> Finding:
    """Workers read and write points through it: where nothing answers there they stand still, though all else works."""
    try:
        async with asyncio.timeout(PORT_WITHIN):
            version = (await client.in_bulk(lambda qdrant: qdrant.info(), "other")).version
    except (SynclineError, TimeoutError) as error:
        remedy = "set index_grpc_port to the server's gRPC port (usually 6334) and let it through, or leave it out: then REST is used"
        return fail("grpc", f"no Qdrant answers on port {port}: {str(error) or f'nothing within {PORT_WITHIN:g} s'}", remedy)
    return ok("grpc", f"port {port}, Qdrant {version}")


def _is_there(index: str) -> bool:
    return index != MEMORY and Path(index.removeprefix("path:")).is_dir()


async def _look_at_collection(
    configuration: Configuration, info: models.CollectionInfo | None, *, local: bool
) -> AsyncGenerator[Finding, None]:
    name = configuration.collection
    if info is None:
        yield (
            ok("collection", f"{name} is made when it is opened")
            if local
            else fail("collection", f"{name} is not there", "run `syncline migrate`")
        )
        return
    yield status_verdict(name, info.status, info.points_count or 0)
    embedder = build_embedder(configuration)
    try:
        vectors = info.config.params.vectors
        params = vectors.get(VECTOR) if isinstance(vectors, dict) else None
        built_with = model_of(info) or embedder.model
        yield model_verdict(built_with, None if params is None else params.size, embedder.model, embedder.dimensions)
    finally:
        await embedder.aclose()
    if not local:
        yield payload_verdict({field: found.data_type for field, found in info.payload_schema.items()})


def version_verdict(version: str) -> Finding:
    """The server's."""
    if parsed(version) < FLOOR:
        return fail("server", f"Qdrant {version}", "upgrade to Qdrant 1.19.0 or later: deleted points could come back")
    return ok("server", f"Qdrant {version}")


def status_verdict(name: str, status: models.CollectionStatus, points: int) -> Finding:
    """Red: some operations failed, grey: optimizing waits for a start."""
    said = f"{name}: {points:,} point{'' if points == 1 else 's'}"
    if status is models.CollectionStatus.RED:
        return fail("collection", f"{said}, and its status is red", "look into Qdrant's log: an operation failed and is not recovered")
    return ok("collection", said)


def model_verdict(built_with: str, size: int | None, model: str, dimensions: int) -> Finding:
    """What the collection was made with against what is configured."""
    if size is None:
        return fail("model", f"the collection has no vector {VECTOR!r}: it is not Syncline's", "choose another name for `collection`")
    said = f"{built_with}, {size} dimensions"
    if (built_with, size) != (model, dimensions):
        remedy = "use that embedder again, or go over to this one (docs/operations/reindex.md)"
        return fail("model", f"made with {said}; configured is {model}, {dimensions} dimensions", remedy)
    return ok("model", said)


def payload_verdict(there: Mapping[str, models.PayloadSchemaType]) -> Finding:
    """Without them filters scan, and Qdrant's filtered graph is not built."""
    missing = [field for field, kind in INDEXED.items() if there.get(field) != kind]
    if missing:
        return fail(
            "payload indexes",
            f"missing: {', '.join(missing)}",
            "make the collection anew: choose another name for `collection`, run a repair",
        )
    return ok("payload indexes", f"all {len(INDEXED)} are there")
