# ruff: noqa: A002 - `filter` is the word of the public face
"""A tenant's view of the store: what apps read, write and search with.

The tenant is part of every reference, scan and search filter that is built here, and of none that the caller could pass in:
a view cannot see another tenant's documents (architecture, invariant 9).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncline_contracts.errors import EmbedderUnavailable, IndexUnavailable, InvalidQuery, SynclineError
from syncline_contracts.identity import Namespace, Ref
from syncline_store.conditional import Absent, AtRevision, Condition, HasValue, Outcome
from syncline_store.document import Document, living
from syncline_store.drafts import Index, Prefix, Put, chunks, drafted
from syncline_store.engines.protocol import NamespaceSettings, Page
from syncline_store.exported import Header, document_line
from syncline_store.filters import parse
from syncline_store.limits import checked_limit, checked_namespace, checked_prefix, checked_ref, checked_value
from syncline_store.listing import Cursor, Listing
from syncline_store.metrics import Operations, measured
from syncline_store.namespace_settings import wanted_settings
from syncline_store.parts import Parts
from syncline_store.rates import SEARCHES, WRITES
from syncline_store.refreshing import due, refreshed
from syncline_store.search.asked import Asked
from syncline_store.settings import LimitSettings
from syncline_store.tenant_writing import TenantWriting
from syncline_store.together import together
from syncline_store.tracing import span
from syncline_store.turns import Turns
from syncline_store.usage import Usage
from syncline_store.writing import Draft

if TYPE_CHECKING:
    from syncline_store.search.hydrate import Hit
    from syncline_store.search.search import Search

Filter = Mapping[str, Any]

MOST_LISTED = 10_000
"""Documents of one page."""
BULK_READ = 500


@dataclass(frozen=True, slots=True)
class TenantView:
    """The documents of one tenant. Made by `Store.tenant`; cheap, holds nothing open."""

    tenant: str
    _parts: Parts = field(repr=False)
    _writing: TenantWriting = field(repr=False)
    _turns: Turns = field(repr=False)
    _operations: Operations = field(repr=False)
    _search: Callable[[], "Search"] = field(repr=False)

    # ------------------------------------------------------------------ writing

    @measured
    async def put(self, namespace: Prefix, key: str, value: dict[str, Any], *, index: Index = None, ttl: float | None = None) -> int:
        """Write a document, whatever was there before; its revision (µs since 1970).

        `index`: None as the namespace says, False to keep it out of the index, or the paths whose texts are embedded
        (``["title", "author.name"]``). `ttl`: seconds that it lives, ``math.inf`` for ever; None as the namespace says, which by default
        is for ever.

        Raises InvalidDocument, QuotaExceeded, RateLimited (nothing was written), NotYetIndexed (it is stored, and inline indexing failed:
        it is taken up again, or lies among the dead letters), WriteOutcomeUnknown (it may or may not have landed), StorageUnavailable.
        """
        draft = self._draft(Put(namespace, key, value, index, ttl))
        return await self._writing.write("syncline.put", draft)

    @measured
    async def delete(self, namespace: Prefix, key: str) -> int:
        """Delete a document, there or not; the deletion's revision. Raises what `put` does."""
        return await self._writing.write("syncline.delete", Draft(self._ref(namespace, key), None))

    @measured
    async def put_if_absent(
        self, namespace: Prefix, key: str, value: dict[str, Any], *, index: Index = None, ttl: float | None = None
    ) -> Outcome:
        """Write a document if there is none: none was written, it was deleted, or it has expired.

        Gives Applied with its revision; Refused with the document that is there, nothing written; or Superseded with the one that
        replaced ours before this returned. Of several that are under way for one key at most one is applied. A plain `put` that runs at
        the same time may land in between; the greater revision then wins, as among puts (docs/protocol.md, conditional writes).

        Raises what `put` does. After WriteOutcomeUnknown look at what is there (`get`) before trying again; ClockSkew: the document
        that is there was written by a clock too far ahead, nothing was written.
        """
        return await self._writing.write_if("syncline.put_if_absent", self._draft(Put(namespace, key, value, index, ttl)), Absent())

    @measured
    async def update_if(
        self, namespace: Prefix, key: str, value: dict[str, Any], *, revision: int, index: Index = None, ttl: float | None = None
    ) -> Outcome:
        """Replace a document that is at exactly this revision. Gives and raises what `put_if_absent` does."""
        return await self._writing.write_if("syncline.update_if", self._draft(Put(namespace, key, value, index, ttl)), AtRevision(revision))

    @measured
    async def update_if_value(
        self, namespace: Prefix, key: str, value: dict[str, Any], *, expected: dict[str, Any], index: Index = None, ttl: float | None = None
    ) -> Outcome:
        """Replace a document whose value equals `expected` as JSON: keys in any order, 1 and 1.0 differ.

        Gives and raises what `put_if_absent` does.
        """
        condition = HasValue(checked_value(expected, self._limits))
        return await self._writing.write_if("syncline.update_if_value", self._draft(Put(namespace, key, value, index, ttl)), condition)

    @measured
    async def delete_if(
        self, namespace: Prefix, key: str, *, revision: int | None = None, expected: dict[str, Any] | None = None
    ) -> Outcome:
        """Delete a document that is at this revision, or whose value equals `expected`: one of the two must be given.

        Gives and raises what `put_if_absent` does, and InvalidQuery for none or both.
        """
        if revision is not None and expected is None:
            condition: Condition = AtRevision(revision)
        elif expected is not None and revision is None:
            condition = HasValue(checked_value(expected, self._limits))
        else:
            raise InvalidQuery("revision", "give either revision or expected")
        return await self._writing.write_if("syncline.delete_if", Draft(self._ref(namespace, key), None), condition)

    @measured
    async def put_many(self, puts: Iterable[Put | tuple[Prefix, str, dict[str, Any]]]) -> Sequence[int | SynclineError]:
        """Write many, some at a time; for each, in order, its revision or the error that `put` would have raised.

        Of two for the same document the later one wins. The iterable is consumed as writing goes on.
        """
        await self._writing.open()
        results: list[int | SynclineError] = []
        for drafts in chunks(puts, self._counted):
            with self._span("syncline.put_many"):
                results += await self._writing.write_some(self.tenant, drafts)
        return results

    @measured
    async def configure(
        self,
        namespace: Prefix,
        *,
        fields: Sequence[str] = ("$",),
        filterable: Mapping[str, str | None] | Sequence[str] | None = None,
        buckets: int = 8,
        hybrid: str | None = None,
        ttl: float | None = None,
    ) -> NamespaceSettings:
        """Fix a namespace's settings before its first write; the settings that it has, which are another's if that one came first.

        `fields`: the paths whose texts are embedded, ``["title", "items[].name"]``; ``"$"`` is the whole value, ``[]`` embeds nothing
        (documents are then found by filter alone). `filterable`: the only fields that searches can filter by there, each with what lies
        below it; with types (``{"price": "float", "tags": "keyword", "open": "bool", "author": None}``) a server keeps an index of
        them. Without it every scalar can be filtered by, within limits (docs/indexing.md).

        `hybrid`: a language (``"english"``, or ``"plain"`` for words as they are) whose words searches look for beside the meaning.

        `ttl`: seconds that a document lives which is put without a `ttl` of its own; for ever without.

        Settings never change: that others were wanted is logged. Raises InvalidDocument, StorageUnavailable, and for `hybrid`, where this
        process indexes or a server does, IndexMismatch (the collection takes no sparse vectors) and IndexUnavailable.
        """
        wanted = wanted_settings(fields, filterable, buckets, hybrid, ttl)
        settings = self._parts.settings
        if wanted.hybrid is not None and (settings.inline or not settings.local_index):  # no lock on another process's folder
            await (await self._parts.index()).take_words()
        return await self._writing.writer.configure(self.tenant, checked_namespace(namespace, self._limits), wanted)

    @measured
    async def refresh(self, documents: Iterable[Document]) -> int:
        """Give those of these documents that have a life another one from now, as long as at their put; how many were given one.

        A tenth of it must be gone, or too little is gained; on ScyllaDB and Cassandra also, at least a minute must be left. Revision
        and times stay. What was put, deleted or expired since they were read is left as it is. Raises what `put` does.
        """
        now, guarded = self._parts.clock.now(), self._parts.settings.cql_settings is not None
        refs = [self._ref(document.namespace, document.key) for document in due(documents, now, guarded=guarded)]
        count = 0
        for first in range(0, len(refs), BULK_READ):
            rows = await self._parts.engine.documents.read(refs[first : first + BULK_READ])
            writes = [write for row in rows if row is not None and (write := refreshed(row, now, guarded=guarded)) is not None]
            await together([self._writing.finish(write) for write in writes])
            count += len(writes)
        return count

    # ------------------------------------------------------------------ reading

    @measured
    async def get(self, namespace: Prefix, key: str) -> Document | None:
        """The document as it is now, None where there is none. Raises InvalidDocument, StorageUnavailable."""
        (document,) = await self._read([self._ref(namespace, key)])
        return document

    @measured
    async def get_many(self, keys: Iterable[tuple[Prefix, str]]) -> Sequence[Document | None]:
        """Many at once, in the order asked. Raises what `get` does."""
        return await self._read([self._ref(namespace, key) for namespace, key in keys])

    @measured
    async def list(
        self, prefix: Prefix = (), *, filter: Filter | None = None, limit: int = 100, cursor: str | None = None
    ) -> Page[Document]:
        """A page of the documents at and below a prefix, in (namespace, key) order; give `page.after` as the next cursor.

        Raises InvalidFilter, InvalidQuery, InvalidDocument (the prefix), StorageUnavailable.
        """
        checked_limit(limit, MOST_LISTED)
        return await self._listing(prefix, filter).page(limit, Cursor.decode(cursor))

    def documents(self, prefix: Prefix = (), *, filter: Filter | None = None) -> AsyncIterator[Document]:
        """Every document at and below a prefix, in (namespace, key) order, in flat memory. Raises what `list` does."""
        return self._listing(prefix, filter).all()

    async def export(self, prefix: Prefix = ()) -> AsyncIterator[str]:
        """Lines of JSON, without their breaks: what this is, then every document at and below a prefix, in (namespace, key) order.

        `syncline_store.exported` tells their shape, and reads them back. In flat memory; what is written meanwhile may or may not be in
        it. Raises InvalidDocument (the prefix), StorageUnavailable.
        """
        listing = self._listing(prefix, None)
        yield Header(self.tenant, listing.prefix, self._parts.clock.now()).line()
        async for row in listing.rows():
            yield document_line(row)

    @measured
    async def count(self, prefix: Prefix = (), *, filter: Filter | None = None) -> int:
        """How many there are, by walking all of them. Raises what `list` does."""
        found = 0
        async for _ in self.documents(prefix, filter=filter):
            found += 1
        return found

    @measured
    async def list_namespaces(self, prefix: Prefix = (), *, limit: int = 100, cursor: str | None = None) -> Page[Namespace]:
        """Namespaces at and below a prefix that were ever written to, in order. Raises InvalidDocument (the prefix), StorageUnavailable."""
        below = checked_prefix(prefix, self._limits)
        return await self._parts.engine.namespaces.list(self.tenant, below, cursor, checked_limit(limit, MOST_LISTED))

    @measured
    async def usage(self) -> Usage:
        """What this tenant holds, as counted now, or a while ago where counting takes long (docs/metrics.md). Raises StorageUnavailable."""
        return await self._writing.quotas.usage(self.tenant)

    # ------------------------------------------------------------------ searching

    @measured
    async def search(
        self,
        prefix: Prefix = (),
        *,
        query: str | None = None,
        vector: Sequence[float] | None = None,
        filter: Filter | None = None,
        limit: int = 10,
        offset: int = 0,
        threshold: float | None = None,
        mode: str | None = None,
        min_revision: Mapping[Ref | tuple[Prefix, str], int] | None = None,
        fallback: bool = False,
    ) -> "Sequence[Hit]":
        """Documents at and below a prefix, nearest to the query first, as the source holds them now.

        With neither query nor vector: those that satisfy the filter, in no particular order. `threshold` is the least score
        (cosine, 1 is equal). `mode`: "hybrid" looks for the query's words beside its meaning, "dense" for its meaning alone; without it the
        search is hybrid where the prefix is a hybrid namespace (docs/indexing.md). `min_revision`: what puts gave, for each document its
        revision: the search waits, `search_deadline` at most, until the index holds them.

        With `fallback`, while index or embedder are out: those that satisfy the filter, whatever the query, read from the source in
        (namespace, key) order, without scores.

        Raises InvalidQuery, InvalidFilter, InvalidDocument (the prefix), RateLimited, Overloaded (too many searches are under way in this
        process), IndexUnavailable (also when `search_deadline` is over), IndexMismatch (hybrid, of a collection without sparse vectors),
        NotYetIndexed (`min_revision`), EmbedderUnavailable, StorageUnavailable.
        """
        below = checked_prefix(prefix, self._limits)
        self._writing.rates.take(self.tenant, SEARCHES)
        awaited = {self._own(ref): revision for ref, revision in (min_revision or {}).items()}
        asked = Asked(query, vector, filter, limit, offset, threshold, mode)
        with self._span("syncline.search"):
            async with self._turns as deadline:
                try:
                    return await self._nearest(below, deadline, asked, awaited)
                except (IndexUnavailable, EmbedderUnavailable):
                    if not fallback:
                        raise
                    rows = self._listing(below, None).rows()
                    return await self._search().scan(rows, self.tenant, below, asked)

    @measured
    async def wait_until_indexed(self, ref: Ref | tuple[Prefix, str], revision: int, *, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - a word of the public face
        """Return once the index holds the document, named by (namespace, key), at this revision or a later one; `timeout` is seconds.

        Raises NotYetIndexed when the time is over, InvalidQuery for another tenant's ref, IndexUnavailable.
        """
        whole = self._own(ref)
        await self._open_index()
        await self._search().wait_until_indexed(whole, revision, timeout)

    # ------------------------------------------------------------------ inside

    @property
    def _limits(self) -> LimitSettings:
        return self._parts.settings.limits

    def _ref(self, namespace: Prefix, key: str) -> Ref:
        return checked_ref(self.tenant, namespace, key, self._limits)

    def _own(self, ref: Ref | tuple[Prefix, str]) -> Ref:
        if not isinstance(ref, Ref):
            return self._ref(*ref)
        if ref.tenant != self.tenant:
            raise InvalidQuery("ref", f"is not of the tenant {self.tenant!r}")
        return self._ref(ref.namespace, ref.key)

    async def _read(self, refs: Sequence[Ref]) -> Sequence[Document | None]:
        found: list[Document | None] = []
        for first in range(0, len(refs), BULK_READ):
            rows = await self._parts.engine.documents.read(refs[first : first + BULK_READ])
            self._parts.clock.follow(max((row.revision for row in rows if row is not None), default=0))  # what is put next is later
            now = self._parts.clock.now()
            found += [None if row is None else Document.of(row) for row in (living(row, now) for row in rows)]
        return found

    def _draft(self, put: Put) -> Draft:
        return drafted(self.tenant, put, self._limits)

    def _counted(self, put: Put) -> Draft:
        """A draft that counts against the tenant's rate. Raises InvalidDocument, RateLimited."""
        draft = self._draft(put)
        self._writing.rates.take(self.tenant, WRITES)
        return draft

    def _listing(self, prefix: Prefix, filter: Filter | None) -> Listing:
        below = checked_prefix(prefix, self._limits)
        parts = self._parts
        return Listing(
            parts.engine.documents,
            parts.clock.now,
            self.tenant,
            below,
            parse(filter),
            parts.settings.read_ahead,
            self._writing.writer.directory,
        )

    async def _open_index(self) -> None:
        """With inline indexing the catch-up begins when the index is first opened, by whomever."""
        if self._writing.inline is not None:
            await self._writing.inline.start()

    def _span(self, name: str) -> AbstractContextManager[None]:
        return span(name, tenant=self.tenant)

    async def _nearest(self, below: Namespace, deadline: float, asked: Asked, awaited: Mapping[Ref, int]) -> "Sequence[Hit]":
        try:
            async with asyncio.timeout_at(deadline):
                await self._open_index()
                if awaited:
                    await self._search().wait_until_all_indexed(awaited, deadline)
                return await self._search().search(self.tenant, below, asked)
        except TimeoutError as error:
            within = self._parts.settings.search_deadline
            raise IndexUnavailable(f"a search did not end within search_deadline ({within:g} s): look at index and embedder") from error
