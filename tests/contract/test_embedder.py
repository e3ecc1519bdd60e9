"""What every embedder keeps: shapes, unit length, the same vector for the same text, in whatever company; and its words for what fails.

sentence-transformers is not installed where these tests run: the tiny model of tests/parts stands in for its library.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, suppress
from functools import cache

import numpy as np
import pytest

from syncline_contracts.errors import DocumentRefused
from syncline_store.embedding.cached import CachedEmbedder
from syncline_store.embedding.langchain import LangChainEmbedder
from syncline_store.embedding.openai import OpenAIEmbedder
from syncline_store.embedding.protocol import Embedder
from syncline_store.embedding.sentence_transformers import SentenceTransformersEmbedder
from syncline_store.embedding.wordllama import WordLlamaEmbedder
from syncline_store.settings import EmbeddingSettings
from syncline_store.testing import WordEmbedder
from tests.parts.embedders import HashEmbedder, NullEmbedder
from tests.parts.models import StandInEmbeddings, StandInModel
from tests.parts.servers.embedding import KEY, EmbeddingServer

Make = Callable[[], Embedder]
Prepare = Callable[[ExitStack], Make]
TEXTS = ["the cat sat on the mat", "Ein längerer Satz über Bücher.", "日本語のテキスト", "x", "a b c " * 500, "\U0001f600 \u200b", "0"]


def each(make: Make) -> Prepare:
    return lambda _: make


def once(make: Make) -> Prepare:
    return each(cache(make))


def over_http(*, base64: bool = True, takes: int | None = None, **settings: object) -> Prepare:
    """One endpoint for all the embedders of a kind. `takes`: how many texts it takes at most."""

    def prepare(stack: ExitStack) -> Make:
        server = stack.enter_context(EmbeddingServer(key=KEY, base64=base64, max_texts=takes))
        chosen = EmbeddingSettings.model_validate({"base_url": server.url, "api_key": KEY, "dimensions": 16, **settings})
        return lambda: OpenAIEmbedder("hash", chosen)

    return prepare


EMBEDDERS: dict[str, Prepare] = {
    "wordllama": once(WordLlamaEmbedder),
    "wordllama 64": once(lambda: WordLlamaEmbedder(64)),
    "openai, base64": over_http(),
    "openai, floats": over_http(encoding="float"),
    "openai, an endpoint without base64": over_http(base64=False),
    "openai, small requests": over_http(max_batch=2),
    "openai, few tokens": over_http(max_batch_tokens=20),
    "openai, an endpoint that takes less than it is sent": over_http(takes=3, max_batch=8),
    "openai, shortened": over_http(shorten=True, dimensions=8),
    "openai, with prefixes": over_http(query_prefix="query: ", document_prefix="passage: "),
    "sentence-transformers, its library stood in for": each(
        lambda: SentenceTransformersEmbedder("tiny", EmbeddingSettings(dimensions=16), load=StandInModel)
    ),
    "langchain": each(lambda: LangChainEmbedder(StandInEmbeddings(), model="langchain/stand-in", dimensions=16)),
    "cached": each(lambda: CachedEmbedder(HashEmbedder(), 3)),
    "words, for users' tests": each(WordEmbedder),
    "hash, for our tests": each(HashEmbedder),
    "null, for measuring": each(NullEmbedder),
}


@pytest.fixture(scope="module", params=EMBEDDERS)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    with ExitStack() as stack:
        yield EMBEDDERS[request.param](stack)


@pytest.fixture
async def embedder(make: Make) -> AsyncIterator[Embedder]:
    embedder = make()
    yield embedder
    await embedder.aclose()
    await embedder.aclose()


async def test_one_row_of_unit_length_a_text(embedder: Embedder) -> None:
    vectors = await embedder.embed_documents(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


async def test_no_texts_no_rows(embedder: Embedder) -> None:
    assert (await embedder.embed_documents([])).shape == (0, embedder.dimensions)


async def test_a_text_has_the_same_vector_alone_as_among_others(embedder: Embedder) -> None:
    together = await embedder.embed_documents(TEXTS)
    for text, expected in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose((await embedder.embed_documents([text]))[0], expected, atol=1e-5)


async def test_rows_stand_in_the_order_of_their_texts(embedder: Embedder) -> None:
    there, back = await embedder.embed_documents(TEXTS), await embedder.embed_documents(TEXTS[::-1])
    np.testing.assert_allclose(there, back[::-1], atol=1e-5)


async def test_a_query_is_one_vector_and_the_same_again(embedder: Embedder) -> None:
    vector = await embedder.embed_query("a cat")
    assert vector.shape == (embedder.dimensions,)
    assert vector.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-5)
    np.testing.assert_allclose(await embedder.embed_query("a cat"), vector, atol=1e-5)


async def test_as_many_texts_as_it_says(embedder: Embedder) -> None:
    texts = [f"text {number}" for number in range(embedder.max_texts)]
    assert len(await embedder.embed_documents(texts)) == embedder.max_texts


async def test_half_a_surrogate_pair_is_refused_or_embedded_and_nothing_else(embedder: Embedder) -> None:
    for ask in (embedder.embed_documents(["fine", "\ud800"]), embedder.embed_query("\ud800")):
        with suppress(DocumentRefused):
            assert np.isfinite(await ask).all()


async def test_it_names_its_model_and_its_measures(embedder: Embedder) -> None:
    assert embedder.model
    assert min(embedder.dimensions, embedder.max_texts, embedder.max_tokens) >= 1


def test_other_vectors_other_models() -> None:
    """The index is checked against the id: two that embed differently must not share one."""
    with ExitStack() as stack:
        models = {name: prepare(stack)().model for name, prepare in EMBEDDERS.items()}
    assert models["openai, base64"] == models["openai, floats"] == models["openai, small requests"]
    different = ("wordllama", "wordllama 64", "openai, base64", "openai, shortened", "openai, with prefixes", "langchain")
    assert len({models[name] for name in different}) == len(different)
