"""Embedders for tests: deterministic, and able to fail on demand."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from syncline_contracts.errors import DocumentRefused, EmbedderUnavailable

Vectors = npt.NDArray[np.float32]


class HashEmbedder:
    """Every text has its own direction: two vectors are equal only if their texts are. Counts its calls and texts."""

    def __init__(self, dimensions: int = 16, *, model: str | None = None, max_texts: int = 1000) -> None:
        self.dimensions = dimensions
        self.model = model or f"test/hash-{dimensions}"
        self.max_texts = max_texts
        self.max_tokens = 512
        self.calls: list[int] = []

    @property
    def texts(self) -> int:
        """How many texts were embedded."""
        return sum(self.calls)

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(len(texts))
        return self.vectors(texts)

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        vector: npt.NDArray[np.float32] = self.vectors([text])[0]
        return vector

    async def aclose(self) -> None:
        return

    def vectors(self, texts: Sequence[str]) -> Vectors:
        vectors = np.array([self._numbers(text) for text in texts], np.float32).reshape(-1, self.dimensions)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return vectors

    def _numbers(self, text: str) -> npt.NDArray[np.float32]:
        seed = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        return np.random.default_rng(seed).standard_normal(self.dimensions).astype(np.float32)


class RefusingEmbedder(HashEmbedder):
    """Refuses a call in which any text holds the marker, without saying which: as a server's 400 does."""

    def __init__(self, marker: str = "POISON", dimensions: int = 16) -> None:
        super().__init__(dimensions)
        self.marker = marker
        self.refuses = True

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if self.refuses and any(self.marker in text for text in texts):
            raise DocumentRefused("400: an input is not embeddable")
        return await super().embed_documents(texts)


class OutableEmbedder(HashEmbedder):
    """`out`: every call fails as an outage does."""

    def __init__(self, dimensions: int = 16) -> None:
        super().__init__(dimensions)
        self.out = False

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self._expect_answers()
        return await super().embed_documents(texts)

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        self._expect_answers()
        return await super().embed_query(text)

    def _expect_answers(self) -> None:
        if self.out:
            raise EmbedderUnavailable("the model does not answer", retry_after=1.0)


class NullEmbedder(HashEmbedder):
    """The same vector for every text, at no cost: for measuring all the rest."""

    def vectors(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        vectors[:, 0] = 1
        return vectors


class BrokenEmbedder(HashEmbedder):
    """Gives what `spoil` makes of the right answer."""

    def __init__(self, spoil: Callable[[Vectors], Vectors], dimensions: int = 16) -> None:
        super().__init__(dimensions)
        self._spoil = spoil

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._spoil(await super().embed_documents(texts))
