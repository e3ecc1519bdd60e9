"""The sentence-transformers embedder around a stand-in for the library's model: the library itself is not installed here."""

import threading
from typing import Any

import numpy as np
import pytest

from syncline_contracts.errors import ConfigurationError, DocumentRefused, EmbedderUnavailable
from syncline_store.embedding.sentence_transformers import SentenceTransformersEmbedder
from syncline_store.settings import EmbeddingSettings
from tests.parts.embedders import HashEmbedder
from tests.parts.models import StandInModel

POISON = "POISON"


class Loading:
    """Keeps the model it loads."""

    def __init__(self, **prompts: str) -> None:
        self.model: StandInModel | None = None
        self.prompts = prompts
        self.threads: set[str] = set()

    def __call__(self, name: str, dimensions: int | None) -> StandInModel:
        assert self.model is None, "it is loaded once"
        self.threads.add(threading.current_thread().name)
        self.model = StandInModel(name, dimensions)
        self.model.prompts = self.prompts
        return self.model

    @property
    def calls(self) -> list[dict[str, Any]]:
        assert self.model is not None
        return self.model.calls


def embedder(loading: Any, **settings: Any) -> SentenceTransformersEmbedder:
    return SentenceTransformersEmbedder("tiny", EmbeddingSettings(**{"dimensions": 16, **settings}), load=loading)


async def test_it_is_loaded_at_the_first_text_on_a_thread_of_its_own() -> None:
    loading = Loading()
    embedding = embedder(loading)
    assert await embedding.embed_documents([]) is not None
    assert loading.model is None
    for _ in range(3):
        await embedding.embed_documents(["a", "b"])
    assert loading.threads == {"syncline-embedder_0"}
    await embedding.aclose()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("syncline-embedder")]
    with pytest.raises(EmbedderUnavailable, match="closed"):
        await embedding.embed_query("a")


@pytest.mark.parametrize(
    ("prompts", "settings", "document", "query"),
    [
        ({}, {}, "", ""),
        ({}, {"document_prefix": "passage: ", "query_prefix": "query: "}, "passage: ", "query: "),
        ({"document": "D ", "query": "Q "}, {}, "D ", "Q "),
        ({"query": "Q "}, {}, "", "Q "),
        ({"document": "D ", "query": "Q "}, {"query_prefix": "query: "}, "D ", "query: "),
    ],
    ids=["none", "the settings'", "the model's", "the model's for queries", "the settings' before the model's"],
)
async def test_documents_and_queries_have_their_own_prompts(
    prompts: dict[str, str], settings: dict[str, str], document: str, query: str
) -> None:
    embedding = embedder(Loading(**prompts), **settings)
    np.testing.assert_allclose(await embedding.embed_documents(["a"]), HashEmbedder().vectors([document + "a"]), atol=1e-6)
    np.testing.assert_allclose(await embedding.embed_query("a"), HashEmbedder().vectors([query + "a"])[0], atol=1e-6)
    await embedding.aclose()


async def test_shorter_vectors_are_the_library_s_to_make() -> None:
    embedding = embedder(Loading(), dimensions=8, shorten=True)
    assert (await embedding.embed_query("a")).shape == (8,)
    await embedding.aclose()


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (ValueError("no tokens"), DocumentRefused),
        (TypeError("no text"), DocumentRefused),
        (RuntimeError("CUDA out of memory"), EmbedderUnavailable),
        (OSError("no device"), EmbedderUnavailable),
    ],
    ids=repr,
)
async def test_what_the_library_raises_is_translated(raised: Exception, error: type[Exception]) -> None:
    loading = Loading()
    embedding = embedder(loading)
    await embedding.embed_query("first")
    assert loading.model is not None
    loading.model.fails = raised
    with pytest.raises(error):
        await embedding.embed_documents(["a", "b"])
    if error is DocumentRefused:
        with pytest.raises(ConfigurationError, match="not the documents' fault"):
            await embedding.embed_documents(["a"])
    await embedding.aclose()


async def test_a_model_that_cannot_be_loaded_or_has_another_length_is_a_matter_of_settings() -> None:
    def absent(name: str, dimensions: int | None) -> Any:
        raise OSError(f"{name} is not a local folder")

    for loading, settings, words in ((absent, {}, "cannot be loaded"), (Loading(), {"dimensions": 12}, "16 dimensions, not 12")):
        embedding = embedder(loading, **settings)
        with pytest.raises(ConfigurationError, match=words):
            await embedding.embed_documents(["a"])
        await embedding.aclose()


def test_a_model_of_unknown_length_is_refused_when_it_is_made() -> None:
    with pytest.raises(ConfigurationError, match=r"embedding\.dimensions"):
        SentenceTransformersEmbedder("tiny", load=Loading())
