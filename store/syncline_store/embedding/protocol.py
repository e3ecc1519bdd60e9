"""What the indexer asks of an embedding model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


class Embedder(Protocol):
    """An embedding model. Both methods may raise EmbedderUnavailable (come back later) or DocumentRefused (never will)."""

    @property
    def model(self) -> str:
        """The model's id, kept with every point: other id, other vectors."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    def max_texts(self) -> int:
        """How many texts one call takes."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of one text count; the splitter cuts below it."""

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """One unit-length row a text: float32[n, dimensions]."""

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        """One unit-length vector: float32[dimensions]."""

    async def aclose(self) -> None:
        """Let go of connections and threads. Called by who built the embedder; twice does nothing, and nothing may follow."""
