"""The collection: made once, behind an alias, with the model's name and dimensions kept on it and checked at every opening."""

import re

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from syncline_contracts.errors import ConfigurationError, IndexMismatch
from syncline_store.index.points import VECTOR, Field

_MODEL = "syncline_model"
_ABSENT = 404
_EXISTS = 409
_FIRST_WITH_GUARDS = (1, 16)
INDEXED = {
    Field.TENANT: models.PayloadSchemaType.KEYWORD,
    Field.DOCUMENT: models.PayloadSchemaType.UUID,
    **dict.fromkeys((Field.NAMESPACES, Field.MARK), models.PayloadSchemaType.KEYWORD),
    **dict.fromkeys((Field.REVISION, Field.EXPIRES_AT, Field.PURGE_AT, Field.PASSAGE, Field.SEGMENT), models.PayloadSchemaType.INTEGER),
}
"""The payload's fields that a server indexes."""


async def ensure(qdrant: AsyncQdrantClient, name: str, model: str, dimensions: int, *, local: bool) -> None:
    """Make the collection unless it is there. Raises IndexMismatch, before anything is written, if it was built otherwise."""
    if not local:
        await _refuse_old(qdrant)
    if await described(qdrant, name) is None:
        await _create(qdrant, name, model, dimensions, local=local)
    await _check(qdrant, name, model, dimensions)


async def _refuse_old(qdrant: AsyncQdrantClient) -> None:
    """An older server ignores the guard that an upsert carries, and takes it anyway."""
    version = (await qdrant.info()).version
    major, minor = (int(part) if part.isdigit() else 0 for part in [*version.split("."), "", ""][:2])
    if (major, minor) < _FIRST_WITH_GUARDS:
        raise ConfigurationError(
            f"the Qdrant server is version {version}, which ignores the guards of upserts (update_filter): upgrade it to 1.16 or later"
        )


def model_of(info: models.CollectionInfo) -> str | None:
    """The model that the collection says it was made for; an old one says nothing."""
    found = (info.config.metadata or {}).get(_MODEL)
    return None if found is None else str(found)


async def described(qdrant: AsyncQdrantClient, name: str) -> models.CollectionInfo | None:
    """The collection behind the alias as it is, None where there is none. Raises the client's errors."""
    try:
        return await qdrant.get_collection(name)
    except UnexpectedResponse as error:
        if error.status_code == _ABSENT:
            return None
        raise
    except ValueError as error:  # local mode's answer
        if "not found" in str(error):
            return None
        raise


async def _create(qdrant: AsyncQdrantClient, name: str, model: str, dimensions: int, *, local: bool) -> None:
    """One collection a model, behind an alias: another model's can be built beside it and take its place in one step."""
    behind = f"{name}--{re.sub(r'[^A-Za-z0-9]+', '-', model)[:40]}-{dimensions}"
    if await described(qdrant, behind) is None:
        try:
            await qdrant.create_collection(
                behind,
                vectors_config={VECTOR: models.VectorParams(size=dimensions, distance=models.Distance.COSINE)},
                metadata={_MODEL: model},
            )
        except UnexpectedResponse as error:
            if error.status_code != _EXISTS:  # another process made it at this moment
                raise
    if not local:  # local mode has no payload indexes, and says so with a warning for each
        await _index_payload(qdrant, behind)
    alias = models.CreateAlias(collection_name=behind, alias_name=name)
    await qdrant.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])


async def _index_payload(qdrant: AsyncQdrantClient, name: str) -> None:
    """Before the first upsert: Qdrant builds its filtered graph only for the fields that are indexed by then."""
    tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    for field, kind in INDEXED.items():
        await qdrant.create_payload_index(name, field, tenant if field == Field.TENANT else kind)


async def _check(qdrant: AsyncQdrantClient, name: str, model: str, dimensions: int) -> None:
    info = await described(qdrant, name)
    if info is None:
        raise IndexMismatch(f"the collection {name!r} was removed while it was opened: open it again")
    vectors = info.config.params.vectors
    params = vectors.get(VECTOR) if isinstance(vectors, dict) else None
    if params is None:
        raise IndexMismatch(
            f"the collection {name!r} is not Syncline's (it has no vector {VECTOR!r}): choose another name for `collection`"
        )
    built_with = (info.config.metadata or {}).get(_MODEL) or await _model_of_a_point(qdrant, name) or model
    if (params.size, built_with) != (dimensions, model):
        raise IndexMismatch(
            f"the collection {name!r} was built with {built_with!r} ({params.size} dimensions), but the embedder in use is {model!r} "
            f"({dimensions} dimensions): use that embedder again, or choose another name for `collection` and run a repair to fill it"
        )


async def _model_of_a_point(qdrant: AsyncQdrantClient, name: str) -> str | None:
    """A server older than 1.16 keeps no metadata."""
    points, _ = await qdrant.scroll(name, limit=1, with_payload=[Field.MODEL])
    return str((points[0].payload or {}).get(Field.MODEL)) if points else None
