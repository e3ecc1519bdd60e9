"""Reading documents by their keys: one request for up to 100 keys of a partition, shared by those who ask at the same time.

A get of a partition that nobody reads goes out at once, as it is. While a read of a partition is under way, further gets of that
partition go together, as writes do in a group commit. No get is answered by a read that began before it was asked.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from syncline_store.document import Row
from syncline_store.engines.cql.dialects import IN_VALUES
from syncline_store.engines.cql.rows import row_of
from syncline_store.engines.cql.session import CqlSession
from syncline_store.engines.cql.statements import documents as statements
from syncline_store.group_commit import GroupCommit
from syncline_store.together import together

Partition = tuple[str, str, int]
"""Tenant, namespace (encoded), bucket."""


class Reading:
    """Rows by partition and key, tombstones and expired ones included."""

    def __init__(self, session: CqlSession) -> None:
        self._session = session
        self._alone: set[Partition] = set()
        self._shared: dict[Partition, GroupCommit[str, Row | None]] = {}

    async def get(self, partition: Partition, key: str) -> Row | None:
        """One row, by a read that others may share."""
        shared = self._shared.get(partition)
        if shared is None and partition not in self._alone:
            return await self._get_alone(partition, key)
        if shared is None:
            shared = self._shared[partition] = self._sharing(partition)
        return await shared.submit(key)

    async def _get_alone(self, partition: Partition, key: str) -> Row | None:
        """Without a task or a promise, which cost as much as the rest of a get does here."""
        self._alone.add(partition)
        try:
            return (await self._read(partition, [key])).get(key)
        finally:
            self._alone.discard(partition)

    async def get_many(self, wanted: dict[Partition, Sequence[str]]) -> dict[tuple[Partition, str], Row]:
        """The rows that there are. Each key once."""
        chunks = [(partition, keys[at : at + IN_VALUES]) for partition, keys in wanted.items() for at in range(0, len(keys), IN_VALUES)]
        found = await together(self._read(partition, keys) for partition, keys in chunks)
        return {(partition, key): row for (partition, _), rows in zip(chunks, found, strict=True) for key, row in rows.items()}

    async def aclose(self) -> None:
        """Wait for the reads under way."""
        await asyncio.gather(*(shared.aclose() for shared in list(self._shared.values())))

    def _sharing(self, partition: Partition) -> GroupCommit[str, Row | None]:
        """Forgotten as soon as nobody reads the partition."""
        return GroupCommit(
            partial(self._share, partition),
            max_items=IN_VALUES,
            max_bytes=IN_VALUES,
            size_of=lambda _: 1,
            idle=lambda: self._shared.pop(partition, None),
        )

    async def _share(self, partition: Partition, keys: Sequence[str]) -> Sequence[Row | None]:
        rows = await self._read(partition, list(dict.fromkeys(keys)))
        return [rows.get(key) for key in keys]

    async def _read(self, partition: Partition, keys: Sequence[str]) -> dict[str, Row]:
        rows = map(row_of, await self._session.run(statements.READ, *partition, keys))
        return {row.ref.key: row for row in rows if row is not None}
