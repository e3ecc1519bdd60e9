"""The alias: which of the collections, one a model, it points to, and how it is pointed at another."""

from dataclasses import dataclass

from qdrant_client import AsyncQdrantClient, models

from syncline_store.index.collection import described, model_of, size_of, target

_BEFORE = "syncline_before"
"""Kept on a collection that took another's place: whose it was."""


@dataclass(frozen=True, slots=True)
class Built:
    """A collection of one model. `model` is None where it does not say; `before`: which one served until this took its place."""

    collection: str
    model: str | None
    dimensions: int | None
    points: int
    serves: bool
    """The alias points to it."""
    before: str | None


async def built(qdrant: AsyncQdrantClient, alias: str) -> list[Built]:
    """The collections of this alias, the one it points to first. Raises the client's errors."""
    serving = await target(qdrant, alias)
    names = [each.name for each in (await qdrant.get_collections()).collections]
    ours = sorted((name for name in names if name == serving or name.startswith(f"{alias}--")), key=lambda name: (name != serving, name))
    found = [(name, await described(qdrant, name)) for name in ours]
    return [await _built(qdrant, name, info, serves=name == serving) for name, info in found if info is not None]


async def _built(qdrant: AsyncQdrantClient, name: str, info: models.CollectionInfo, *, serves: bool) -> Built:
    points = (await qdrant.count(name, exact=True)).count
    before = (info.config.metadata or {}).get(_BEFORE)
    return Built(name, model_of(info), size_of(info), points, serves, None if before is None else str(before))


async def turn(qdrant: AsyncQdrantClient, alias: str, collection: str, *, remember: bool) -> None:
    """Point the alias at a collection, in one request: nobody ever finds it pointing nowhere.

    `remember`: note on the collection which one served before, for a rollback.
    """
    before = await target(qdrant, alias)
    if remember and before is not None:
        await qdrant.update_collection(collection, metadata={_BEFORE: before})
    remove = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
    make = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=alias))
    await qdrant.update_collection_aliases([make] if before is None else [remove, make])
