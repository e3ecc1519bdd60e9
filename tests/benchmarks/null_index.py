"""An index that only remembers the state of its points: what is left is Syncline's own work for a document."""

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
        self._points: dict[uuid.UUID, dict[int, PointState]] = {}

    async def points(self, documents: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[PointState]]:
        nothing: dict[int, PointState] = {}
        return {document: list(self._points.get(document, nothing).values()) for document in documents}

    async def upsert(self, operations: Sequence[Upsert]) -> None:
        for operation in operations:
            for point in operation.points:
                payload = point.payload
                passage = payload[Field.PASSAGE]
                self._points.setdefault(point.document, {})[passage] = PointState(
                    document=point.document,
                    passage=passage,
                    revision=payload[Field.REVISION],
                    content_hash=payload[Field.CONTENT_HASH],
                    text_hash=payload[Field.TEXT_HASH],
                    model=self.model,
                    passages=payload[Field.PASSAGES],
                    expires_at=payload[Field.EXPIRES_AT],
                    mark=Mark.LIVE,
                )

    async def refresh(self, changes: Sequence[Refresh]) -> None:
        assert not changes, "no text stays the same in this measurement"

    async def remove(self, removals: Sequence[Removal]) -> None:
        assert not removals, "nothing is removed in this measurement"
