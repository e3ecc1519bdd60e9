"""Listing: living documents in (namespace, key) order, filtered here, a bounded number of rows at a time.

A cursor says where the storage's page began and which document of it was the last one given: the page is read again from there.
What was written or deleted in between moves nothing out of its place.
"""

import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from syncline_contracts.errors import InvalidQuery
from syncline_contracts.identity import Namespace, Ref
from syncline_store.directory import Directory
from syncline_store.document import Document, Row, living
from syncline_store.engines.protocol import Documents, Page
from syncline_store.filters import Condition, match, undeclared

FIRST_PAGE = 64
PAGE_BYTES = 8_000_000
"""About what the rows that are read at a time may weigh."""
Place = tuple[Namespace, str]
"""Where a document stands in a listing."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """`after` is the storage's own cursor of the page; documents up to `passed` were given already."""

    after: str | None = None
    passed: Place | None = None

    def encode(self) -> str:
        """As opaque text."""
        return base64.urlsafe_b64encode(json.dumps([self.after, self.passed]).encode()).decode()

    @classmethod
    def decode(cls, text: str | None) -> "Cursor":
        """Raises InvalidQuery for anything that `encode` did not give."""
        if text is None:
            return cls()
        try:
            after, passed = json.loads(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
            place = None if passed is None else (tuple(map(_text, passed[0])), _text(passed[1]))
            return cls(None if after is None else _text(after), place)
        except (ValueError, TypeError, IndexError, KeyError):
            raise InvalidQuery("cursor", "is not one that a listing gave: begin again without it") from None


@dataclass(frozen=True, slots=True)
class Listing:
    """One tenant's documents at and below a prefix that satisfy a condition."""

    documents: Documents
    now: Callable[[], int]
    tenant: str
    prefix: Namespace
    condition: Condition | None
    read_ahead: int
    directory: Directory

    async def page(self, limit: int, cursor: Cursor) -> Page[Document]:
        """`limit` documents at most; the cursor is None only at the end."""
        found: list[Document] = []
        async for page, begin in self._pages(cursor, limit if self.condition is None else self.read_ahead):
            for row in _behind(page.items, cursor.passed):
                document = await self._wanted(row)
                if document is None:
                    continue
                found.append(document)
                if len(found) == limit:
                    return Page(found, _rest(page, begin, row))
        return Page(found, None)

    async def all(self) -> AsyncIterator[Document]:
        """Every one, however many: a page of rows is in memory at a time."""
        async for page, _ in self._pages(Cursor(), self.read_ahead):
            for row in page.items:
                document = await self._wanted(row)
                if document is not None:
                    yield document

    async def rows(self) -> AsyncIterator[Row]:
        """The rows of all living ones, whatever the condition."""
        async for page, _ in self._pages(Cursor(), self.read_ahead):
            for row in page.items:
                if living(row, self.now()) is not None:
                    yield row

    async def _pages(self, cursor: Cursor, most: int) -> AsyncIterator[tuple[Page[Row], str | None]]:
        """The storage's pages, each with the cursor that it began behind; of large documents fewer at a time."""
        begin, size = cursor.after, min(most, FIRST_PAGE)
        while True:
            page = await self.documents.scan(self.tenant, self.prefix, begin, size)
            yield page, begin
            if page.after is None:
                return
            begin, size = page.after, min(most, _fitting(page.items) or size)

    async def _wanted(self, row: Row) -> Document | None:
        if living(row, self.now()) is None:
            return None
        document = Document.of(row)
        if self.condition is None:
            return document
        return document if match(self.condition, document.value, await self._kept(row.ref, self.condition)) else None

    async def _kept(self, ref: Ref, condition: Condition) -> tuple[str, ...] | None:
        """What of the value the condition is to see: where a search may ask it, the same as the index; anything otherwise."""
        kept = (await self.directory.settings(ref.tenant, ref.namespace)).kept
        return None if kept is None or undeclared(condition, kept) else kept


def _fitting(rows: Sequence[Row]) -> int:
    """How many rows like these make a page of PAGE_BYTES; 0 where there were none."""
    weight = sum(len(row.value or "") + 1 for row in rows)
    return max(1, PAGE_BYTES * len(rows) // weight) if rows else 0


def _rest(page: Page[Row], begin: str | None, row: Row) -> str | None:
    """The cursor behind this row of the page, None where nothing is left."""
    if row is page.items[-1]:
        return None if page.after is None else Cursor(page.after).encode()
    return Cursor(begin, _place(row)).encode()


def _behind(rows: Sequence[Row], passed: Place | None) -> Sequence[Row]:
    return rows if passed is None else [row for row in rows if _place(row) > passed]


def _place(row: Row) -> Place:
    return row.ref.namespace, row.ref.key


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise TypeError
    return given
