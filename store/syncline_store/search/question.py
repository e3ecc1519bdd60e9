"""A search's arguments, checked, and what they are to the index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from qdrant_client import models

from syncline_contracts.errors import DocumentRefused, InvalidQuery
from syncline_contracts.identity import Namespace, encode_namespace
from syncline_store.embedding.protocol import Embedder
from syncline_store.filters import Condition, parse
from syncline_store.filters.qdrant import to_qdrant
from syncline_store.index.points import Field, Mark
from syncline_store.limits import checked_limit, checked_offset

MOST_HITS = 1_000
FARTHEST = 10_000
"""The largest offset: to see everything, list instead of searching."""
LONGEST_QUERY = 100_000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one tenant's documents. Without a vector, the filter alone decides."""

    tenant: str
    prefix: Namespace
    vector: npt.NDArray[np.float32] | None
    condition: Condition | None
    limit: int
    offset: int
    threshold: float | None

    @property
    def wanted(self) -> int:
        """How many documents must be found to fill the page."""
        return self.offset + self.limit

    def where(self, now: int) -> models.Filter:
        """The tenant's living points below the prefix that satisfy the filter. Raises InvalidFilter."""
        must: list[models.Condition] = [
            _exactly(Field.TENANT, self.tenant),
            _exactly(Field.MARK, Mark.LIVE),
            models.FieldCondition(key=Field.EXPIRES_AT, range=models.Range(gt=now)),
        ]
        if self.prefix:
            must.append(_exactly(Field.NAMESPACES, encode_namespace(self.prefix)))
        if self.condition is not None:
            must.append(to_qdrant(self.condition))
        return models.Filter(must=must)


async def asked(
    embedder: Embedder,
    tenant: str,
    prefix: Namespace,
    *,
    query: str | None,
    vector: Sequence[float] | None,
    filter: Mapping[str, Any] | None,  # noqa: A002 - the word of the public face
    limit: int,
    offset: int,
    threshold: float | None,
) -> Question:
    """Check everything before anything is asked. Raises InvalidQuery, InvalidFilter, EmbedderUnavailable."""
    if query is not None and vector is not None:
        raise InvalidQuery("query", "give a query or a vector, not both")
    if threshold is not None and query is None and vector is None:
        raise InvalidQuery("threshold", "needs a query or a vector: without them there are no scores")
    condition = parse(filter)
    checked_limit(limit, MOST_HITS)
    checked_offset(offset, FARTHEST)
    point = await _embedded(embedder, query) if query is not None else None if vector is None else _vector(vector, embedder.dimensions)
    return Question(tenant, prefix, point, condition, limit, offset, threshold)


async def _embedded(embedder: Embedder, query: str) -> npt.NDArray[np.float32]:
    if not isinstance(query, str) or not query.strip():
        raise InvalidQuery("query", "must be a text; to search by filter alone leave it out")
    if len(query) > LONGEST_QUERY:
        raise InvalidQuery("query", f"has {len(query):,} characters, {LONGEST_QUERY:,} at most")
    try:
        return await embedder.embed_query(query)
    except DocumentRefused as error:
        raise InvalidQuery("query", f"cannot be embedded: {error}") from error


def _vector(given: Sequence[float], dimensions: int) -> npt.NDArray[np.float32]:
    try:
        vector = np.asarray(given, np.float32)
    except (ValueError, TypeError):
        raise InvalidQuery("vector", "must be numbers") from None
    if vector.shape != (dimensions,):
        raise InvalidQuery("vector", f"must be {dimensions} numbers, as the embedder's are")
    if not np.isfinite(vector).all() or not vector.any():
        raise InvalidQuery("vector", "must be finite, and not all zeros")
    return vector


def _exactly(field: Field, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))
