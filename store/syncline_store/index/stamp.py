"""Whose index a collection is: the identity of the storage engine, kept on it beside the model's name.

Without it, the index of another keyspace looks like one of which every document is an orphan.
"""

from qdrant_client import AsyncQdrantClient

from syncline_store.index.collection import described

_SOURCE = "syncline_source"


async def read(qdrant: AsyncQdrantClient, name: str) -> str | None:
    """The stamp of the collection, or of the one behind the alias; None where there is none (an old one, an old server)."""
    info = await described(qdrant, name)
    found = None if info is None else (info.config.metadata or {}).get(_SOURCE)
    return None if found is None else str(found)


async def write(qdrant: AsyncQdrantClient, name: str, source: str) -> None:
    """Stamp it, whatever its stamp was."""
    aliases = (await qdrant.get_aliases()).aliases
    behind = next((alias.collection_name for alias in aliases if alias.alias_name == name), name)
    await qdrant.update_collection(behind, metadata={_SOURCE: source})


async def claim(qdrant: AsyncQdrantClient, name: str, source: str) -> None:
    """Stamp a new collection: one without a stamp and without a point. What others filled is left as it is."""
    if await read(qdrant, name) is None and not (await qdrant.count(name, exact=True)).count:
        await write(qdrant, name, source)
