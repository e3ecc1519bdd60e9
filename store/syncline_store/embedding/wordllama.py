"""The default embedder: WordLlama, whose weights are part of its package. Offline, no GPU, thousands of texts a second."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from syncline_contracts.errors import DocumentRefused
from syncline_store.embedding.protocol import Vectors

CONFIG = "l2_supercat"
DIMENSIONS = (64, 128, 256)
_CALL = 64
"""Texts that are padded to one length: sorted by length first, so that little is padded."""


class WordLlamaEmbedder:
    """Averages of token vectors. The weights are loaded (0.2 s) at the first call; a worker thread does the work."""

    def __init__(self, dimensions: int = 256) -> None:
        if dimensions not in DIMENSIONS:
            raise ValueError(f"WordLlama has {DIMENSIONS} dimensions, not {dimensions}")
        self._dimensions = dimensions
        self._model: Any = None
        self._loading = threading.Lock()

    @property
    def model(self) -> str:
        """The model's id."""
        return f"wordllama/{CONFIG}-{self._dimensions}"

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    @property
    def max_texts(self) -> int:
        """How many texts one call takes."""
        return 1024

    @property
    def max_tokens(self) -> int:
        """It takes any number; averages of more than this say little."""
        return 512

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """float32[n, dimensions]. Raises DocumentRefused if a text has no tokens."""
        return await asyncio.to_thread(self._embed, list(texts))

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        """float32[dimensions]. Raises DocumentRefused if the text has no tokens."""
        vector: npt.NDArray[np.float32] = (await self.embed_documents([text]))[0]
        return vector

    async def aclose(self) -> None:
        """There is nothing to let go of."""

    def _embed(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.empty((0, self._dimensions), np.float32)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        try:
            pooled = self._loaded().embed([texts[place] for place in order], batch_size=_CALL)
        except (TypeError, UnicodeError) as error:  # half a surrogate pair is no text
            raise DocumentRefused(f"not a text: {error}") from error
        vectors: Vectors = np.empty((len(texts), self._dimensions), np.float32)
        vectors[order] = pooled
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not lengths.all():
            raise DocumentRefused("a text has no tokens that the model knows")
        vectors /= lengths
        return vectors

    def _loaded(self) -> Any:
        with self._loading:
            if self._model is None:
                self._model = _load(self._dimensions)
            return self._model


def _load(dimensions: int) -> Any:
    """Load from the package's own folder: nothing is downloaded, and logging stays as the app configured it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    import wordllama  # noqa: PLC0415  # heavy, and it calls logging.basicConfig when imported

    root.handlers[:], root.level = handlers, level
    root.setLevel(level)
    return wordllama.WordLlama.load(
        CONFIG,
        cache_dir=Path(wordllama.__file__).parent,
        dim=DIMENSIONS[-1],
        trunc_dim=None if dimensions == DIMENSIONS[-1] else dimensions,
        disable_download=True,
    )
