"""Queries come again and again: the vectors of the latest ones are remembered."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from syncline_store.embedding.protocol import Embedder, Vectors
from syncline_store.tracing import span

_HASH_BYTES = 16


class CachedEmbedder:
    """The embedder given, but the `size` queries asked for last are not embedded again. Documents pass through.

    Texts are kept as hashes, so that a query costs its vector and about 200 bytes, however long it is. Whoever asks first embeds:
    two who ask the same at once both do.
    """

    def __init__(self, embedder: Embedder, size: int) -> None:
        self._embedder = embedder
        self._size = size
        self._vectors: OrderedDict[bytes, npt.NDArray[np.float32]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    @property
    def model(self) -> str:
        """The model's id."""
        return self._embedder.model

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._embedder.dimensions

    @property
    def max_texts(self) -> int:
        """How many texts one call takes."""
        return self._embedder.max_texts

    @property
    def max_tokens(self) -> int:
        """How many tokens of one text count."""
        return self._embedder.max_tokens

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """float32[n, dimensions], not cached."""
        return await self._embedder.embed_documents(texts)

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        """float32[dimensions], read-only: it is shared with who asks the same next."""
        key = hashlib.blake2b(f"{self.model}\0{text}".encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()
        found = self._vectors.get(key)
        if found is not None:
            self.hits += 1
            self._vectors.move_to_end(key)
            return found
        self.misses += 1
        with span("syncline.embed_query", model=self.model):
            vector = np.array(await self._embedder.embed_query(text))
        vector.flags.writeable = False
        self._vectors[key] = vector
        if len(self._vectors) > self._size:
            self._vectors.popitem(last=False)
        return vector

    async def aclose(self) -> None:
        """Close the embedder."""
        self._vectors.clear()
        await self._embedder.aclose()
