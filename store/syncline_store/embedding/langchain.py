"""Any LangChain `Embeddings` as an embedder.

    embedder = await LangChainEmbedder.open(MistralAIEmbeddings(), model="mistral-embed")

LangChain's classes retry by themselves, and raise what their providers' libraries raise: errors are told apart by the HTTP status
that most of them carry.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from syncline_contracts.errors import ConfigurationError, DocumentRefused, EmbedderUnavailable, SynclineError
from syncline_store.embedding.errors import of_status, retry_after, shortened
from syncline_store.embedding.protocol import Vectors
from syncline_store.embedding.vectors import HARMLESS, expect_others_pass, unit_rows

if TYPE_CHECKING:  # an extra, and an adapter needs no class of it
    from langchain_core.embeddings import Embeddings

T = TypeVar("T")
TIMEOUT = 60.0


class LangChainEmbedder:
    """Asks the `Embeddings` given. Its connections are its maker's to close."""

    def __init__(
        self,
        embeddings: "Embeddings",
        *,
        model: str,
        dimensions: int,
        max_texts: int = 256,
        max_tokens: int = 512,
        timeout: float = TIMEOUT,
    ) -> None:
        """`model`: an id that is another one whenever the vectors are; LangChain does not know it. `timeout`: seconds for a call."""
        self._embeddings = embeddings
        self._model = model
        self._dimensions = dimensions
        self._max_texts = max_texts
        self._max_tokens = max_tokens
        self._timeout = timeout

    @classmethod
    async def open(cls, embeddings: "Embeddings", *, model: str, timeout: float = TIMEOUT, **measures: int) -> Self:  # noqa: ASYNC109 - a call's
        """Learn the dimensions by embedding a word. Raises EmbedderUnavailable, ConfigurationError."""
        probe = cls(embeddings, model=model, dimensions=1, timeout=timeout)
        try:
            dimensions = len(await probe._call(embeddings.aembed_query(HARMLESS)))
        except DocumentRefused as error:
            raise ConfigurationError(f"{model} refuses any text: {error}; check how its Embeddings were made") from error
        return cls(embeddings, model=model, dimensions=dimensions, timeout=timeout, **measures)

    @property
    def model(self) -> str:
        """The model's id, as it was given."""
        return self._model

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    @property
    def max_texts(self) -> int:
        """How many texts one call takes."""
        return self._max_texts

    @property
    def max_tokens(self) -> int:
        """How many tokens of one text count."""
        return self._max_tokens

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """float32[n, dimensions]. Raises, beyond what the Protocol says, ConfigurationError."""
        if not texts:
            return np.empty((0, self._dimensions), np.float32)
        try:
            return await self._documents(texts)
        except DocumentRefused as refused:
            await expect_others_pass(refused, texts, lambda harmless: self._documents([harmless]))
            raise

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        """float32[dimensions]."""
        try:
            return await self._query(text)
        except DocumentRefused as refused:
            await expect_others_pass(refused, [text], self._query)
            raise

    async def aclose(self) -> None:
        """There is nothing to let go of: the `Embeddings` were given."""

    async def _documents(self, texts: Sequence[str]) -> Vectors:
        given = await self._call(self._embeddings.aembed_documents(list(texts)))
        return unit_rows(given, len(texts), self._dimensions, self._model)

    async def _query(self, text: str) -> npt.NDArray[np.float32]:
        given = await self._call(self._embeddings.aembed_query(text))
        vector: npt.NDArray[np.float32] = unit_rows([given], 1, self._dimensions, self._model)[0]
        return vector

    async def _call(self, asked: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await asked
        except Exception as error:
            raise _translated(error, self._model) from error


def _translated(error: Exception, model: str) -> SynclineError:
    """By status where it has one. ValueError and TypeError are about the texts; anything else may pass, so that it buries nothing."""
    if isinstance(error, SynclineError):
        return error
    response: Any = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    if isinstance(status, int):
        headers = getattr(response, "headers", None)
        return of_status(status, model, str(error), retry_after(headers) if isinstance(headers, Mapping) else None)
    said = shortened(f"{type(error).__name__}: {error}")
    if isinstance(error, (ValueError, TypeError)):
        return DocumentRefused(f"{model} refused the request: {said}")
    return EmbedderUnavailable(f"{model} does not answer: {said}")
