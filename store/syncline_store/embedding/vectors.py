"""What an embedding model gave, made into what the Protocol promises: unit-length rows, one a text."""

from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import numpy.typing as npt

from syncline_contracts.errors import ConfigurationError, DocumentRefused, EmbedderUnavailable
from syncline_store.embedding.protocol import Vectors

HARMLESS = "hello"
"""A text that every model takes."""


def unit_rows(given: Sequence[npt.ArrayLike] | npt.NDArray[np.generic], count: int, dimensions: int, model: str) -> Vectors:
    """float32[count, dimensions], each row of unit length.

    Raises EmbedderUnavailable where there are more or fewer vectors than texts, as nobody can tell which is whose,
    ConfigurationError where they are of another length, DocumentRefused where one is not finite or all zeros.
    """
    if len(given) != count:
        raise EmbedderUnavailable(f"{model} gave {len(given)} vectors for {count} texts: look at the embedder")
    vectors = _table(given, model)
    if vectors.shape[1] != dimensions:
        raise ConfigurationError(
            f"{model} gave vectors of {vectors.shape[1]} dimensions, not {dimensions}: say so in embedding.dimensions; nothing was written"
        )
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise DocumentRefused(f"{model} gave a vector that is not finite, or all zeros")
    unit: Vectors = (vectors / lengths).astype(np.float32)
    return unit


def _table(given: Sequence[npt.ArrayLike] | npt.NDArray[np.generic], model: str) -> Vectors:
    try:
        vectors = np.asarray(given, np.float32)
    except (ValueError, TypeError) as error:
        raise EmbedderUnavailable(f"{model} gave vectors that are not all of one length, or no numbers: look at the embedder") from error
    if vectors.ndim != 2:  # noqa: PLR2004 - a table
        raise EmbedderUnavailable(f"{model} gave vectors of shape {vectors.shape}: look at the embedder")
    return vectors


async def expect_others_pass(refused: DocumentRefused, texts: Sequence[str], embed: Callable[[str], Awaitable[object]]) -> None:
    """Raise ConfigurationError if the model, which refused a lone text, refuses a harmless one as well.

    A model that takes nothing (a parameter it does not know, a name it has not) would make a dead letter of every document
    (invariant 8). Raises what else `embed` does.
    """
    if len(texts) > 1:
        return
    try:
        await embed(HARMLESS)
    except DocumentRefused as error:
        raise ConfigurationError(
            f"even the text {HARMLESS!r} is refused, so it is not the documents' fault: {error}; check `embedder` and `embedding`"
        ) from refused
