"""Models of the sentence-transformers library (an extra), in this process: on a GPU, or on patience."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from syncline_contracts.errors import ConfigurationError, DocumentRefused, EmbedderUnavailable
from syncline_store.embedding.errors import shortened
from syncline_store.embedding.mark import mark
from syncline_store.embedding.protocol import Vectors
from syncline_store.embedding.vectors import expect_others_pass, unit_rows
from syncline_store.settings import EmbeddingSettings

_LIBRARY = "sentence_transformers"


def _load(model: str, dimensions: int | None) -> Any:
    """Load the model from its folder, or from the library's cache, which it downloads to. `dimensions`: cut vectors to this length."""
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - an extra, and it brings PyTorch

    return SentenceTransformer(model, truncate_dim=dimensions)


class SentenceTransformersEmbedder:
    """One model, loaded at the first text; a thread of its own does the work, one call after another.

    `embedding.query_prefix` and `document_prefix` are its prompts; without them the model's own named "query" and "document" are
    used, where it has them. Texts longer than the model takes in are cut by it: see `embedding.max_tokens`.
    """

    def __init__(
        self, model: str, settings: EmbeddingSettings | None = None, *, load: Callable[[str, int | None], Any] | None = None
    ) -> None:
        """`load` is for tests, and for models that need more than a name. Raises ConfigurationError."""
        settings = settings or EmbeddingSettings()
        if load is None and find_spec(_LIBRARY) is None:
            raise ConfigurationError(
                f"embedder: sentence-transformers:{model} needs the library: pip install 'syncline-store[sentence-transformers]'"
            )
        try:
            self._dimensions = settings.dimensions_of(model)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        self._name = model
        self._settings = settings
        self._load = load or _load
        self._loaded: Any = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="syncline-embedder")
        self._closed = False

    @property
    def model(self) -> str:
        """The model's id: another length or document prefix are other vectors, and so another id."""
        return f"sentence-transformers/{self._name}" + mark(self._settings, self._dimensions)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    @property
    def max_texts(self) -> int:
        """How many texts one call takes."""
        return self._settings.max_batch

    @property
    def max_tokens(self) -> int:
        """How many tokens of one text count."""
        return self._settings.max_tokens

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """float32[n, dimensions]. Raises, beyond what the Protocol says, ConfigurationError."""
        return await self._embed(texts, "document", self._settings.document_prefix)

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        """float32[dimensions]."""
        vector: npt.NDArray[np.float32] = (await self._embed([text], "query", self._settings.query_prefix))[0]
        return vector

    async def aclose(self) -> None:
        """End the thread after what it is at, and forget the model."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
        self._loaded = None

    async def _embed(self, texts: Sequence[str], side: str, prompt: str) -> Vectors:
        if self._closed:
            raise EmbedderUnavailable(f"the embedder {self.model} is closed")
        if not texts:
            return np.empty((0, self._dimensions), np.float32)

        async def there(some: Sequence[str]) -> Vectors:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._encode, list(some), side, prompt)

        try:
            return await there(texts)
        except DocumentRefused as refused:
            await expect_others_pass(refused, texts, lambda harmless: there([harmless]))
            raise

    def _encode(self, texts: list[str], side: str, prompt: str) -> Vectors:
        model = self._get()
        names = getattr(model, "prompts", None) or {}
        said = {"prompt": prompt} if prompt else {"prompt_name": side} if side in names else {}
        try:
            given = model.encode(texts, batch_size=32, show_progress_bar=False, convert_to_numpy=True, **said)
        except (ValueError, TypeError) as error:
            raise DocumentRefused(f"{self.model} refused the texts: {shortened(str(error))}") from error
        except (RuntimeError, OSError) as error:  # a GPU out of memory, above all
            raise EmbedderUnavailable(f"{self.model} cannot work now: {shortened(str(error))}") from error
        return unit_rows(given, len(texts), self._dimensions, self.model)

    def _get(self) -> Any:
        """Only ever called on the one thread."""
        if self._loaded is None:
            try:
                self._loaded = self._load(self._name, self._dimensions if self._settings.shorten else None)
            except (OSError, ValueError, RuntimeError) as error:
                raise ConfigurationError(
                    f"embedder: {self.model} cannot be loaded: {shortened(str(error))}; name a folder or a model that can be downloaded"
                ) from error
        return self._loaded
