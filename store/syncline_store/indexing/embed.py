"""Texts into vectors: all of a batch together, in calls as large as the embedder takes."""

from collections.abc import Sequence

import numpy as np

from syncline_contracts.errors import DocumentRefused, EmbedderUnavailable, IndexMismatch
from syncline_store.embedding.protocol import Embedder, Vectors
from syncline_store.tracing import span


async def embed_texts(embedder: Embedder, texts: Sequence[str], dimensions: int) -> Vectors:
    """float32[n, dimensions], finite.

    Raises DocumentRefused if a vector is not finite, IndexMismatch if it has another length than the index's, EmbedderUnavailable
    if there are more or fewer vectors than texts: whatever is wrong with an embedder is seen before anything is written.
    """
    parts = [await _embedded(embedder, piece, dimensions) for piece in _pieces(texts, embedder.max_texts)]
    return np.concatenate(parts) if parts else np.empty((0, dimensions), np.float32)


async def _embedded(embedder: Embedder, texts: Sequence[str], dimensions: int) -> Vectors:
    with span("syncline.embed", model=embedder.model, texts=len(texts)):
        return _checked(await embedder.embed_documents(texts), len(texts), dimensions, embedder.model)


def _pieces(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def _checked(given: Vectors, count: int, dimensions: int, model: str) -> Vectors:
    vectors = np.asarray(given, np.float32)
    if vectors.ndim != 2 or vectors.shape[0] != count:  # noqa: PLR2004  # a table
        raise EmbedderUnavailable(f"{model} gave vectors of shape {vectors.shape} for {count} texts: look at the embedder")
    if vectors.shape[1] != dimensions:
        raise IndexMismatch(
            f"{model} gave vectors of {vectors.shape[1]} dimensions, the index has {dimensions}: nothing was written; "
            "use the embedder that the index was built with, or another collection"
        )
    if not np.isfinite(vectors).all():
        raise DocumentRefused(f"{model} gave a vector that is not finite")
    return vectors
