"""Models as other libraries give them, for the embedders that adapt them."""

from collections.abc import Callable
from typing import Any

from langchain_core.embeddings import Embeddings

from tests.parts.embedders import HashEmbedder, Vectors


class StandInModel:
    """What the sentence-transformers library's model looks like to who embeds with it; vectors are `HashEmbedder`'s, times two."""

    def __init__(self, name: str, dimensions: int | None = None) -> None:
        self.name = name
        self.prompts: dict[str, str] = {}
        self.calls: list[dict[str, Any]] = []
        self.fails: Exception | None = None
        self._hash = HashEmbedder(16 if dimensions is None else dimensions)

    def encode(self, texts: list[str], **options: Any) -> Vectors:
        self.calls.append({"texts": texts, **options})
        if self.fails is not None:
            raise self.fails
        prompt = options.get("prompt") or self.prompts.get(options.get("prompt_name", ""), "")
        return 2 * self._hash.vectors([prompt + text for text in texts])


class StandInEmbeddings(Embeddings):
    """A LangChain `Embeddings` that is asked synchronously, as many are. `fails`: raised unless all texts are harmless to it."""

    def __init__(self, dimensions: int = 16) -> None:
        self._hash = HashEmbedder(dimensions)
        self.fails: Callable[[list[str]], Exception | None] = lambda _: None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if (error := self.fails(texts)) is not None:
            raise error
        return [[2 * float(number) for number in vector] for vector in self._hash.vectors(texts)]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]
