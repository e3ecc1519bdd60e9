"""The collection: made once, behind an alias, with the model's name and dimensions kept on it and checked at every opening."""

import re
import zlib

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from syncline_contracts.errors import ConfigurationError, IndexMismatch
from syncline_store.index.points import SPARSE, VECTOR, Field

_MODEL = "syncline_model"
_ABSENT = 404
_EXISTS = 409
_LONGEST = 40
_FIRST_WITH_GUARDS = (1, 16)
INDEXED = {
    Field.TENANT: models.PayloadSchemaType.KEYWORD,
    Field.DOCUMENT: models.PayloadSchemaType.UUID,
    **dict.fromkeys((Field.NAMESPACES, Field.MARK), models.PayloadSchemaType.KEYWORD),
    **dict.fromkeys((Field.REVISION, Field.EXPIRES_AT, Field.PURGE_AT, Field.PASSAGE, Field.SEGMENT), models.PayloadSchemaType.INTEGER),
}
"""The payload's fields that a server indexes."""


async def ensure(qdrant: AsyncQdrantClient, name: str, model: str, dimensions: int, *, local: bool) -> str:
    """The collection of this model: what the alias `name` points to or, beside that, the model's own where it was built.

    Gives its own name, not the alias's: a process stays with the collection of its model when the alias is switched, so that no query
    meets vectors of another model. Made, and the alias with it, where there is no alias yet. Raises IndexMismatch, before anything is
    written, if neither was built with this model.
    """
    if not local:
        await _refuse_old(qdrant)
    serving = await target(qdrant, name)
    if serving is None and await described(qdrant, name) is None:
        await _create(qdrant, name, model, dimensions, local=local)
        serving = await target(qdrant, name)
    own = collection_of(name, model, dimensions)
    beside = serving not in (None, own) and await described(qdrant, own) is not None
    found = own if beside else serving or name
    await _check(qdrant, found, model, dimensions)
    return found


async def ensure_beside(qdrant: AsyncQdrantClient, name: str, model: str, dimensions: int, *, local: bool) -> str:
    """The collection of another model than the one that serves: made unless it is there, the alias left as it is. Raises IndexMismatch."""
    own = collection_of(name, model, dimensions)
    if await described(qdrant, own) is None:
        await _make(qdrant, own, model, dimensions, local=local)
    await _check(qdrant, own, model, dimensions)
    return own


def collection_of(name: str, model: str, dimensions: int) -> str:
    """What the collection of a model is called. A long model's name is cut, and then told from others by its checksum."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", model)
    cut = plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}-{zlib.crc32(model.encode()):08x}"
    return f"{name}--{cut}-{dimensions}"


async def target(qdrant: AsyncQdrantClient, alias: str) -> str | None:
    """What the alias points to; None where there is no such alias. Raises the client's errors."""
    return next((each.collection_name for each in (await qdrant.get_aliases()).aliases if each.alias_name == alias), None)


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


def size_of(info: models.CollectionInfo) -> int | None:
    """Length of the vectors; None of a collection that is not Syncline's."""
    vectors = info.config.params.vectors
    params = vectors.get(VECTOR) if isinstance(vectors, dict) else None
    return None if params is None else params.size


def refuse_without_words(info: models.CollectionInfo | None, collection: str) -> None:
    """Pass a collection that takes sparse vectors, as those do that are made today. Raises IndexMismatch."""
    if info is not None and SPARSE not in (info.config.params.sparse_vectors or {}):
        raise IndexMismatch(
            f"the collection {collection!r} was made before hybrid namespaces, it takes no sparse vectors: build another one with another "
            "`collection` in the settings, or beside it for another model (syncline reindex, docs/operations/reindex.md)"
        )


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
    behind = collection_of(name, model, dimensions)
    await _make(qdrant, behind, model, dimensions, local=local)
    alias = models.CreateAlias(collection_name=behind, alias_name=name)
    await qdrant.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])


async def _make(qdrant: AsyncQdrantClient, collection: str, model: str, dimensions: int, *, local: bool) -> None:
    if await described(qdrant, collection) is None:
        try:
            await qdrant.create_collection(
                collection,
                vectors_config={VECTOR: models.VectorParams(size=dimensions, distance=models.Distance.COSINE)},
                sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                metadata={_MODEL: model},
            )
        except UnexpectedResponse as error:
            if error.status_code != _EXISTS:  # another process made it at this moment
                raise
    if not local:  # local mode has no payload indexes, and says so with a warning for each
        await _index_payload(qdrant, collection)


async def _index_payload(qdrant: AsyncQdrantClient, name: str) -> None:
    """Before the first upsert: Qdrant builds its filtered graph only for the fields that are indexed by then."""
    tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    for field, kind in INDEXED.items():
        await qdrant.create_payload_index(name, field, tenant if field == Field.TENANT else kind)


async def _check(qdrant: AsyncQdrantClient, name: str, model: str, dimensions: int) -> None:
    info = await described(qdrant, name)
    if info is None:
        raise IndexMismatch(f"the collection {name!r} was removed while it was opened: open it again")
    size = size_of(info)
    if size is None:
        raise IndexMismatch(
            f"the collection {name!r} is not Syncline's (it has no vector {VECTOR!r}): choose another name for `collection`"
        )
    built_with = (info.config.metadata or {}).get(_MODEL) or await _model_of_a_point(qdrant, name) or model
    if (size, built_with) != (dimensions, model):
        raise IndexMismatch(
            f"the collection {name!r} was built with {built_with!r} ({size} dimensions), but the embedder in use is {model!r} "
            f"({dimensions} dimensions): use that embedder again, or build a collection for this one beside it (syncline reindex, "
            "docs/operations/reindex.md)"
        )


async def _model_of_a_point(qdrant: AsyncQdrantClient, name: str) -> str | None:
    """A server older than 1.16 keeps no metadata."""
    points, _ = await qdrant.scroll(name, limit=1, with_payload=[Field.MODEL])
    return str((points[0].payload or {}).get(Field.MODEL)) if points else None
