"""Every point of some segments as packed columns: what the reconciler compares."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from qdrant_client import models

from syncline_contracts.identity import SEGMENTS, Ref
from syncline_store.ahead import ahead
from syncline_store.index import columns
from syncline_store.index.client import Client
from syncline_store.index.columns import MARKS
from syncline_store.index.page import Asked, Offset, Point, by_json, by_models
from syncline_store.index.points import Field
from syncline_store.index.request import within
from syncline_store.index.state import NO_REVISION, REF, STATE

__all__ = ["COLUMNS", "MARKS", "IndexPoints", "document_of", "pack", "scan"]

_MODEL = Field.MODEL.value
COLUMNS = [field.value for field in (*STATE, *REF, Field.SEGMENT) if field is not Field.TEXT_HASH]
"""What is read of each payload. The text's hash is not compared."""


@dataclass(frozen=True, slots=True)
class IndexPoints:
    """Columns of n points, in no order. 16 bytes (document ids, content hashes) are two big-endian uint64 columns.

    A payload that somebody damaged reads as zeros: an unreadable revision as -1, a document that is not named as all zeros.
    """

    ids: Sequence[str] = field(repr=False)
    """The points' own ids."""
    refs: Sequence[Ref | None] = field(repr=False)
    models: Sequence[str] = field(repr=False)
    documents: npt.NDArray[np.uint64] = field(repr=False)  # [n, 2]
    content_hashes: npt.NDArray[np.uint64] = field(repr=False)  # [n, 2]
    revisions: npt.NDArray[np.int64]  # [n]
    expires_at: npt.NDArray[np.int64]  # [n]
    passage: npt.NDArray[np.int32]  # [n]
    passages: npt.NDArray[np.int32]  # [n]
    marks: npt.NDArray[np.int8]  # [n], places in MARKS
    segments: npt.NDArray[np.int16]  # [n]

    def __len__(self) -> int:
        return len(self.revisions)


async def scan(client: Client, collection: str, first: int, last: int, block: int) -> AsyncIterator[IndexPoints]:
    """The points of the segments first..last (inclusive); all of them, even those that name no segment, for 0..4095."""
    everything = first <= 0 and last >= SEGMENTS - 1
    where = None if everything else models.Filter(must=[within(Field.SEGMENT, gte=first, lte=last)])
    async with aclosing(ahead(_pages(client, collection, where, block))) as pages:
        async for points in pages:
            if points:
                yield await asyncio.to_thread(pack, points)  # thousands of payloads: not on the event loop


async def _pages(client: Client, collection: str, where: models.Filter | None, block: int) -> AsyncGenerator[Sequence[Point], None]:
    asked, read = Asked(collection, where, COLUMNS, block), by_models if client.local else by_json
    after: Offset = None
    while True:
        points, after = await client.call(lambda qdrant, after=after: read(qdrant, asked, after))  # type: ignore[misc]  # mypy does not infer a default's type in a lambda
        yield points
        if after is None:
            return


def pack(points: Sequence[Point]) -> IndexPoints:
    """Turn ids and payloads into columns."""
    payloads = [payload or {} for _, payload in points]
    return IndexPoints(
        ids=[str(point) for point, _ in points],
        refs=columns.Refs(payloads),
        models=[str(payload.get(_MODEL, "")) for payload in payloads],
        documents=columns.documents(payloads),
        content_hashes=columns.hashes(payloads),
        revisions=columns.integers(payloads, Field.REVISION, NO_REVISION, np.int64),
        expires_at=columns.integers(payloads, Field.EXPIRES_AT, 0, np.int64),
        passage=columns.integers(payloads, Field.PASSAGE, 0, np.int32),
        passages=columns.integers(payloads, Field.PASSAGES, 0, np.int32),
        marks=columns.marks(payloads),
        segments=columns.integers(payloads, Field.SEGMENT, 0, np.int16),
    )


def document_of(words: npt.NDArray[np.uint64]) -> uuid.UUID:
    """The document's id of one row of `documents`."""
    return uuid.UUID(int=int(words[0]) << 64 | int(words[1]))
