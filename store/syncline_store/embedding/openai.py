"""Any endpoint that speaks OpenAI's embeddings API: OpenAI's own, vLLM, Ollama, Text Embeddings Inference, LiteLLM, and so on.

It does not retry: whoever embeds knows whether there is a deadline (a search) or all the time of the world (a worker).
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from syncline_contracts.errors import ConfigurationError, DocumentRefused, EmbedderUnavailable
from syncline_store.embedding.answer import vectors_of
from syncline_store.embedding.batches import batches
from syncline_store.embedding.endpoint import Answer, Answered, Endpoint, Refused
from syncline_store.embedding.mark import mark
from syncline_store.embedding.protocol import Vectors
from syncline_store.embedding.vectors import expect_others_pass, unit_rows
from syncline_store.settings import EmbeddingSettings


class _Side:
    """How documents, or queries, are asked for; each side waits for its own requests only."""

    def __init__(self, prefix: str, fields: Mapping[str, JsonValue], concurrency: int) -> None:
        self.prefix = prefix
        self.fields = dict(fields)
        self.slots = asyncio.Semaphore(concurrency)


class OpenAIEmbedder:
    """A model behind ``POST {base_url}/embeddings``. Nothing is connected before the first text.

    Raises, beyond what the Protocol says, ConfigurationError for a wrong key, model, address or dimension. Texts are refused by the
    request: who has several halves them to find out which (`syncline_store.indexing.isolate`).
    """

    def __init__(self, model: str, settings: EmbeddingSettings | None = None) -> None:
        settings = settings or EmbeddingSettings()
        try:
            self._dimensions = settings.dimensions_of(model)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        self._name = model
        self._settings = settings
        self._endpoint = Endpoint(settings, f"the model {model!r}")
        self._documents = _Side(settings.document_prefix, settings.document_fields, settings.concurrency)
        self._queries = _Side(settings.query_prefix, settings.query_fields, settings.concurrency)
        self._base64: bool | None = None if settings.encoding == "base64" else False
        """None: not known yet whether the endpoint takes it."""

    @property
    def model(self) -> str:
        """The model's id: another length, document prefix or document fields are other vectors, and so another id."""
        return f"openai/{self._name}" + mark(self._settings, self._dimensions)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    @property
    def max_texts(self) -> int:
        """As many as keep all of its requests busy."""
        return self._settings.max_batch * self._settings.concurrency

    @property
    def max_tokens(self) -> int:
        """How many tokens of one text count."""
        return self._settings.max_tokens

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """float32[n, dimensions]. One request that fails ends the others."""
        pieces = list(batches(texts, self._settings.max_batch, self._settings.max_batch_tokens))  # all are checked before one is sent
        parts = await _together([self._embed(piece, self._documents) for piece in pieces])
        return np.concatenate([np.empty((0, self._dimensions), np.float32), *parts])

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        """float32[dimensions]. Waiting for a slot counts towards the time-out: somebody is waiting."""
        (piece,) = batches([text], 1, 1)
        try:
            async with asyncio.timeout(self._settings.timeout):
                vector: npt.NDArray[np.float32] = (await self._embed(piece, self._queries))[0]
        except TimeoutError as error:
            raise EmbedderUnavailable(f"{self.model} gave no answer within {self._settings.timeout:g} s") from error
        return vector

    async def aclose(self) -> None:
        """Close the connections."""
        await self._endpoint.aclose()

    async def _embed(self, texts: Sequence[str], side: _Side) -> Vectors:
        try:
            return await self._vectors(texts, side)
        except DocumentRefused as refused:
            await expect_others_pass(refused, texts, lambda harmless: self._vectors([harmless], side))
            raise

    async def _vectors(self, texts: Sequence[str], side: _Side) -> Vectors:
        async with side.slots:
            answer = await self._answer(texts, side)
        match answer:
            case Answered(body):
                return unit_rows(vectors_of(body, self.model), len(texts), self._dimensions, self.model)
            case Refused(too_large=True) if len(texts) > 1:  # the request is too large, which is no text's fault
                middle = len(texts) // 2
                return np.concatenate([await self._embed(half, side) for half in (texts[:middle], texts[middle:])])
            case Refused(error):
                raise error

    async def _answer(self, texts: Sequence[str], side: _Side) -> Answer:
        """In base64, half the bytes and no numbers to parse; in floats if that, and not the texts, was what is refused."""
        if self._base64 is not None:
            return await self._endpoint.ask(self._body(texts, side, in_base64=self._base64))
        answer = await self._endpoint.ask(self._body(texts, side, in_base64=True))
        if isinstance(answer, Answered):
            self._base64 = True
            return answer
        answer = await self._endpoint.ask(self._body(texts, side, in_base64=False))
        if isinstance(answer, Answered):
            self._base64 = False
        return answer

    def _body(self, texts: Sequence[str], side: _Side, *, in_base64: bool) -> dict[str, JsonValue]:
        return {
            "model": self._name,
            "input": [side.prefix + text for text in texts],
            **({"dimensions": self._dimensions} if self._settings.shorten else {}),
            **({"encoding_format": "base64"} if in_base64 else {}),
            **side.fields,
        }


async def _together(requests: Sequence[Coroutine[None, None, Vectors]]) -> list[Vectors]:
    """All at once. Raises the first error as it is, once it has ended the other requests."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(request) for request in requests]
    except BaseExceptionGroup as errors:
        first = errors.exceptions[0]
    else:
        return [task.result() for task in tasks]
    raise first
