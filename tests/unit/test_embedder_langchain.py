"""LangChain's `Embeddings` as an embedder: what their providers' libraries raise is told apart."""

import asyncio
from collections.abc import Mapping

import httpx
import numpy as np
import pytest

from syncline_contracts.errors import ConfigurationError, DocumentRefused, EmbedderUnavailable, SynclineError
from syncline_store.embedding.langchain import LangChainEmbedder
from syncline_store.embedding.vectors import HARMLESS
from tests.parts.embedders import HashEmbedder
from tests.parts.models import StandInEmbeddings

POISON = "POISON"


class StatusError(Exception):
    """As the openai, mistral and cohere libraries raise it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Error code: {status}")
        self.status_code = status


def http_error(status: int, headers: Mapping[str, str] | None = None) -> Exception:
    """As httpx and requests raise it."""
    request = httpx.Request("POST", "http://host/embeddings")
    return httpx.HTTPStatusError("it failed", request=request, response=httpx.Response(status, headers=headers, request=request))


def embedder(embeddings: StandInEmbeddings, **given: float) -> LangChainEmbedder:
    return LangChainEmbedder(embeddings, model="langchain/stand-in", dimensions=16, **given)  # type: ignore[arg-type] # a time-out


@pytest.mark.parametrize(
    ("raised", "error", "words"),
    [
        (StatusError(429), EmbedderUnavailable, "429"),
        (StatusError(500), EmbedderUnavailable, "500"),
        (StatusError(401), ConfigurationError, "401"),
        (StatusError(404), ConfigurationError, "404"),
        (http_error(503, {"retry-after": "7"}), EmbedderUnavailable, "503"),
        (ConnectionError("refused"), EmbedderUnavailable, "ConnectionError: refused"),
        (RuntimeError("the GPU is out of memory"), EmbedderUnavailable, "out of memory"),
        (StatusError(400), DocumentRefused, "400"),
        (ValueError("too many tokens"), DocumentRefused, "too many tokens"),
    ],
    ids=repr,
)
async def test_a_failure_says_whether_to_come_back_to_mend_the_settings_or_to_give_up_the_text(
    raised: Exception, error: type[SynclineError], words: str
) -> None:
    embeddings = StandInEmbeddings()
    embeddings.fails = lambda texts: raised if POISON in texts else None
    for ask in (lambda: embedder(embeddings).embed_documents([POISON]), lambda: embedder(embeddings).embed_query(POISON)):
        with pytest.raises(error, match=words) as refused:
            await ask()
        assert type(refused.value) is error
        if isinstance(raised, httpx.HTTPStatusError):
            assert getattr(refused.value, "retry_after", None) == 7


async def test_embeddings_that_refuse_everything_are_a_matter_of_settings() -> None:
    embeddings = StandInEmbeddings()
    embeddings.fails = lambda _: ValueError("no such model")
    for ask in (lambda: embedder(embeddings).embed_documents(["a"]), lambda: embedder(embeddings).embed_query("a")):
        with pytest.raises(ConfigurationError, match=f"even the text '{HARMLESS}' is refused"):
            await ask()
    with pytest.raises(ConfigurationError, match="refuses any text"):
        await LangChainEmbedder.open(embeddings, model="m")


async def test_the_dimensions_are_learnt() -> None:
    opened = await LangChainEmbedder.open(StandInEmbeddings(24), model="m", max_texts=7, max_tokens=9)
    assert (opened.dimensions, opened.max_texts, opened.max_tokens, opened.model) == (24, 7, 9, "m")
    np.testing.assert_allclose(await opened.embed_query("a"), HashEmbedder(24).vectors(["a"])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "error", "words"),
    [
        ([], EmbedderUnavailable, "0 vectors for 1 texts"),
        ([[1.0] * 16] * 2, EmbedderUnavailable, "2 vectors for 1 texts"),
        ([[1.0] * 15], ConfigurationError, "15 dimensions, not 16"),
        ([1.0], EmbedderUnavailable, "shape"),
        ([["x"]], EmbedderUnavailable, "no numbers"),
    ],
)
async def test_what_is_given_is_checked(vectors: list[list[float]], error: type[Exception], words: str) -> None:
    class Wrong(StandInEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return vectors

    with pytest.raises(error, match=words):
        await embedder(Wrong()).embed_documents(["a"])


async def test_a_call_that_hangs_is_given_up() -> None:
    class Hanging(StandInEmbeddings):
        async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
            await asyncio.Event().wait()
            return []

    with pytest.raises(EmbedderUnavailable, match="TimeoutError"):
        await embedder(Hanging(), timeout=0.1).embed_documents(["a"])
