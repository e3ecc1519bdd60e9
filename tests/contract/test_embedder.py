"""What every embedder keeps: shapes, unit length, the same vector for the same text, in whatever company."""

from collections.abc import Callable

import numpy as np
import pytest

from syncline_store.embedding.protocol import Embedder
from syncline_store.embedding.wordllama import WordLlamaEmbedder
from syncline_store.testing import WordEmbedder
from tests.parts.embedders import HashEmbedder, NullEmbedder

EMBEDDERS: dict[str, Callable[[], Embedder]] = {
    "wordllama": WordLlamaEmbedder,
    "wordllama 64": lambda: WordLlamaEmbedder(64),
    "words, for users' tests": WordEmbedder,
    "hash, for our tests": HashEmbedder,
    "null, for measuring": NullEmbedder,
}
TEXTS = ["the cat sat on the mat", "Ein längerer Satz über Bücher.", "日本語のテキスト", "x", "a b c " * 500, "\U0001f600 \u200b", "0"]


@pytest.fixture(scope="module", params=EMBEDDERS)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return EMBEDDERS[request.param]()


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


async def test_a_query_is_one_vector(embedder: Embedder) -> None:
    vector = await embedder.embed_query("a cat")
    assert vector.shape == (embedder.dimensions,)
    assert vector.dtype == np.float32


async def test_as_many_texts_as_it_says(embedder: Embedder) -> None:
    texts = [f"text {number}" for number in range(embedder.max_texts)]
    assert len(await embedder.embed_documents(texts)) == embedder.max_texts


def test_it_names_its_model_and_its_measures(embedder: Embedder) -> None:
    assert embedder.model
    assert min(embedder.dimensions, embedder.max_texts, embedder.max_tokens) >= 1
    assert EMBEDDERS["wordllama"]().model != EMBEDDERS["wordllama 64"]().model
