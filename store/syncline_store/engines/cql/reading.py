"""Reading documents by their keys: one request for up to 100 keys of a partition, shared by those who ask at the same time.

A get of a partition that nobody reads goes out at once, as it is. While a read of a partition is under way, further gets of that
partition go together, as writes do in a group commit. No get is answered by a read that began before it was asked.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from syncline_contracts.identity import Ref
from syncline_store.document import Row
from syncline_store.engines.cql.dialects import IN_VALUES
from syncline_store.engines.cql.rows import row_of
from syncline_store.engines.cql.session import CqlSession
from syncline_store.engines.cql.statements import documents as statements
from syncline_store.group_commit import GroupCommit
from syncline_store.together import together

Partition = tuple[str, str, int]
"""Tenant, namespace (encoded), bucket."""
Wanted = Mapping[str, Ref]
"""The documents that are asked for, by their keys."""


class Reading:
    """Rows by partition and key, tombstones and expired ones included."""

    def __init__(self, session: CqlSession) -> None:
        self._session = session
        self._alone: set[Partition] = set()
        self._shared: dict[Partition, GroupCommit[Ref, Row | None]] = {}

    async def get(self, partition: Partition, ref: Ref) -> Row | None:
        """One row, by a read that others may share."""
        shared = self._shared.get(partition)
        if shared is None and partition not in self._alone:
            return await self._get_alone(partition, ref)
        if shared is None:
            shared = self._shared[partition] = self._sharing(partition)
        return await shared.submit(ref)

    async def _get_alone(self, partition: Partition, ref: Ref) -> Row | None:
        """Without a task or a promise, which cost as much as the rest of a get does here."""
        self._alone.add(partition)
        try:
            return (await self._read(partition, {ref.key: ref})).get(ref.key)
        finally:
            self._alone.discard(partition)

    async def get_many(self, wanted: Mapping[Partition, Wanted]) -> dict[Partition, dict[str, Row]]:
        """The rows that there are, by partition and key."""
        chunks = [(partition, chunk) for partition, keys in wanted.items() for chunk in _chunks(keys)]
        found: dict[Partition, dict[str, Row]] = {partition: {} for partition in wanted}
        for (partition, _), rows in zip(chunks, await together(self._read(*chunk) for chunk in chunks), strict=True):
            found[partition].update(rows)
        return found

    async def aclose(self) -> None:
        """Wait for the reads under way."""
        await asyncio.gather(*(shared.aclose() for shared in list(self._shared.values())))

    def _sharing(self, partition: Partition) -> GroupCommit[Ref, Row | None]:
        """Forgotten as soon as nobody reads the partition."""
        return GroupCommit(
            partial(self._share, partition),
            max_items=IN_VALUES,
            max_bytes=IN_VALUES,
            size_of=lambda _: 1,
            idle=lambda: self._shared.pop(partition, None),
        )

    async def _share(self, partition: Partition, refs: Sequence[Ref]) -> Sequence[Row | None]:
        rows = await self._read(partition, {ref.key: ref for ref in refs})
        return [rows.get(ref.key) for ref in refs]

    async def _read(self, partition: Partition, wanted: Wanted) -> dict[str, Row]:
        found = await self._session.run(statements.READ, *partition, list(wanted))
        rows = (row_of(wanted[columns[0]], columns) for columns in found)
        return {row.ref.key: row for row in rows if row is not None}


def _chunks(keys: Wanted) -> list[Wanted]:
    """As many keys as one request may name."""
    if len(keys) <= IN_VALUES:
        return [keys]
    entries = list(keys.items())
    return [dict(entries[at : at + IN_VALUES]) for at in range(0, len(entries), IN_VALUES)]
