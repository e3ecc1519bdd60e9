"""An index that only remembers heads: what is left is Syncline's own work for a document."""

import uuid
from collections.abc import Sequence

from syncline_store.index.changes import Refresh, Removal, Upsert
from syncline_store.index.points import Field, Mark, PointState


class NullIndex:
    """The methods that the indexer calls, on a dict."""

    model = "null"
    local = True

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._heads: dict[uuid.UUID, PointState] = {}

    async def points(self, documents: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[PointState]]:
        heads = self._heads
        return {document: [heads[document]] if document in heads else [] for document in documents}

    async def upsert(self, operations: Sequence[Upsert]) -> None:
        for operation in operations:
            for point in operation.points:
                payload = point.payload
                self._heads[point.document] = PointState(
                    document=point.document,
                    passage=0,
                    revision=payload[Field.REVISION],
                    content_hash=payload[Field.CONTENT_HASH],
                    text_hash=payload[Field.TEXT_HASH],
                    model=self.model,
                    passages=payload[Field.PASSAGES],
                    expires_at=payload[Field.EXPIRES_AT],
                    mark=Mark.LIVE,
                )

    async def refresh(self, changes: Sequence[Refresh]) -> None:
        raise AssertionError("no text stays the same in this measurement")

    async def remove(self, removals: Sequence[Removal]) -> None:
        raise AssertionError("nothing is removed in this measurement")
