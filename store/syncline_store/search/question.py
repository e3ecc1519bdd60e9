"""A search's arguments, checked, and what they are to the index."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

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
from syncline_store.search.asked import Asked, Mode, Score
from syncline_store.sparse import Sparse, of_query

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
    words: Sparse | None = None
    """With them the search is hybrid."""

    @property
    def score(self) -> Score | None:
        """What its hits' scores are."""
        if self.vector is None:
            return None
        return Score.COSINE if self.words is None else Score.RRF

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


def checked(given: Asked) -> Condition | None:
    """Everything that can be checked without embedder, index and storage; the filter, parsed. Raises InvalidQuery, InvalidFilter."""
    if given.query is not None:
        if given.vector is not None:
            raise InvalidQuery("query", "give a query or a vector, not both")
        _check_text(given.query)
    if given.threshold is not None and given.query is None and given.vector is None:
        raise InvalidQuery("threshold", "needs a query or a vector: without them there are no scores")
    if given.mode is not None and given.mode not in [*Mode]:
        raise InvalidQuery("mode", f"{given.mode!r} is none: there are {', '.join(map(repr, map(str, Mode)))}")
    if given.mode == Mode.HYBRID:
        if given.query is None:
            raise InvalidQuery("mode", "a hybrid search needs a query: a vector has no words")
        refuse_threshold(given)
    checked_limit(given.limit, MOST_HITS)
    checked_offset(given.offset, FARTHEST)
    return parse(given.filter)


def refuse_threshold(given: Asked) -> None:
    """Pass a hybrid search without a threshold. Raises InvalidQuery."""
    if given.threshold is not None:
        raise InvalidQuery("threshold", "a hybrid search's scores are ranks, no cosines: leave it out, or give mode='dense'")


async def asked(embedder: Embedder, tenant: str, prefix: Namespace, given: Asked, languages: Collection[str] = ()) -> Question:
    """All checked, the query embedded; hybrid where `languages` are given. Raises InvalidQuery, InvalidFilter, EmbedderUnavailable."""
    condition = checked(given)
    if given.query is not None:
        vector: npt.NDArray[np.float32] | None = await _embedded(embedder, given.query)
    else:
        vector = None if given.vector is None else _vector(given.vector, embedder.dimensions)
    words = None if given.query is None else of_query(given.query, languages)
    return Question(tenant, prefix, vector, condition, given.limit, given.offset, given.threshold, words)


def _check_text(query: str) -> None:
    if not isinstance(query, str) or not query.strip():
        raise InvalidQuery("query", "must be a text; to search by filter alone leave it out")
    if len(query) > LONGEST_QUERY:
        raise InvalidQuery("query", f"has {len(query):,} characters, {LONGEST_QUERY:,} at most")


async def _embedded(embedder: Embedder, query: str) -> npt.NDArray[np.float32]:
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
