"""A tenant's rows in (namespace, key) order: namespace by namespace, its buckets merged."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from heapq import heapify, heappop, heapreplace
from typing import Any

from syncline_contracts.identity import Namespace, Ref
from syncline_store.document import Row
from syncline_store.engines.columns import decoded, encoded
from syncline_store.engines.cql.namespaces import CqlNamespaces
from syncline_store.engines.cql.rows import row_of
from syncline_store.engines.cql.session import CqlSession
from syncline_store.engines.cql.statements import documents as statements
from syncline_store.engines.cursor import decode_cursor, encode_cursor, foreign_cursor
from syncline_store.engines.protocol import Page
from syncline_store.together import together

_NAMESPACES = 100
"""Namespaces that are looked up at a time."""
_FEWEST = 8
"""Rows that are read of a bucket at a time, at least."""


class Listing:
    """Pages of rows, tombstones included."""

    def __init__(self, session: CqlSession, namespaces: CqlNamespaces) -> None:
        self._session = session
        self._namespaces = namespaces

    async def page(self, tenant: str, prefix: Namespace, after: str | None, limit: int) -> Page[Row]:
        """A page; its cursor names the last row. Raises InvalidQuery for a cursor that is not this listing's."""
        start, behind = encoded(prefix), None
        if after is not None:
            namespace, key = decode_cursor(after, str, str)
            if not namespace.startswith(start):
                raise foreign_cursor(after)
            behind = (namespace, key)
        rows: list[Row] = []
        if limit:
            async for row in self._rows(tenant, start, behind, limit):
                rows.append(row)
                if len(rows) == limit:
                    return Page(rows, encode_cursor(encoded(row.ref.namespace), row.ref.key))
        return Page(rows, None)

    async def _rows(self, tenant: str, start: str, behind: tuple[str, str] | None, limit: int) -> AsyncIterator[Row]:
        last = None
        if behind is not None:
            last, key = behind
            async for row in self._merged((tenant, last), await self._namespaces.buckets(tenant, last) or 0, key, limit):
                yield row
        while found := await self._namespaces.below(tenant, start, last, _NAMESPACES):
            for namespace, buckets in found:
                async for row in self._merged((tenant, namespace), buckets, None, limit):
                    yield row
            last = found[-1][0]

    async def _merged(self, where: tuple[str, str], buckets: int, behind: str | None, limit: int) -> AsyncIterator[Row]:
        """The rows of a namespace by key. Each bucket is read a few rows at a time, as many as a page is likely to need of it."""
        chunk = min(limit, max(_FEWEST, 2 * limit // max(buckets, 1)))
        streams = [_Bucket(self._session, (*where, number), behind, chunk) for number in range(buckets)]
        await together(stream.fill() for stream in streams)
        heap = [(stream.rows[0].ref.key, number) for number, stream in enumerate(streams) if stream.rows]
        heapify(heap)
        while heap:
            _, number = heap[0]
            stream = streams[number]
            yield stream.rows.popleft()
            await stream.fill()
            if stream.rows:
                heapreplace(heap, (stream.rows[0].ref.key, number))
            else:
                heappop(heap)


class _Bucket:
    """One bucket's rows, in order, read as they are used up."""

    def __init__(self, session: CqlSession, where: tuple[str, str, int], behind: str | None, chunk: int) -> None:
        self.rows: deque[Row] = deque()
        self._session = session
        self._where = where
        self._namespace = decoded(where[1])
        self._behind = behind
        self._chunk = chunk
        self._more = True

    async def fill(self) -> None:
        """Afterwards there are rows, or there are no more."""
        while not self.rows and self._more:
            found = await self._next()
            self._more = len(found) == self._chunk
            rows = (row_of(Ref(self._where[0], self._namespace, columns[0]), columns) for columns in found)
            self.rows.extend(row for row in rows if row is not None)

    async def _next(self) -> Sequence[tuple[Any, ...]]:
        if self._behind is None:
            found = await self._session.run(statements.SCAN, *self._where, self._chunk)
        else:
            found = await self._session.run(statements.SCAN_ON, *self._where, self._behind, self._chunk)
        if found:
            self._behind = found[-1][0]
        return found
