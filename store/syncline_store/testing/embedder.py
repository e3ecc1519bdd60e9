"""An embedder without a model: texts that share words are near each other, today and on every machine."""

import re
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from syncline_store.embedding.protocol import Vectors

_WORDS = re.compile(r"\w+")


class WordEmbedder:
    """Each word (letter case aside) adds one to a dimension chosen by its checksum; vectors have unit length.

    Words may fall together: with 256 dimensions two given words do so once in 256 times. A text without words gets a vector too.
    """

    def __init__(self, dimensions: int = 256) -> None:
        self._dimensions = dimensions

    @property
    def model(self) -> str:
        """The model's id."""
        return f"testing/words-{self._dimensions}"

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    @property
    def max_texts(self) -> int:
        """How many texts one call takes."""
        return 1_000

    @property
    def max_tokens(self) -> int:
        """How many tokens of one text count."""
        return 10_000

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """float32[n, dimensions]."""
        vectors = np.zeros((len(texts), self._dimensions), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in _WORDS.findall(text.lower()) or [""]:
                row[zlib.crc32(word.encode("utf-8", "surrogatepass")) % self._dimensions] += 1
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        """float32[dimensions]."""
        vector: npt.NDArray[np.float32] = (await self.embed_documents([text]))[0]
        return vector

    async def aclose(self) -> None:
        """There is nothing to let go of."""
