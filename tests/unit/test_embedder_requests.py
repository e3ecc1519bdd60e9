"""How texts become requests, and how answers become vectors, whatever liberties endpoints take with them."""

import base64
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.errors import DocumentRefused, EmbedderUnavailable
from syncline_store.embedding.answer import vectors_of
from syncline_store.embedding.batches import batches, tokens

VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)


def answer(*items: dict[str, Any]) -> dict[str, Any]:
    return {"data": list(items)}


def item(place: int, **index: Any) -> dict[str, Any]:
    return {"embedding": VECTORS[place].tolist(), **index}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40)), st.integers(1, 5), st.integers(1, 40))
def test_pieces_keep_the_texts_in_order_and_the_bounds(texts: list[str], max_texts: int, max_tokens: int) -> None:
    pieces = list(batches(texts, max_texts, max_tokens))
    assert [text for piece in pieces for text in piece] == texts
    for piece in pieces:
        assert 0 < len(piece) <= max_texts
        assert len(piece) == 1 or sum(map(tokens, piece)) <= max_tokens
    for piece, following in itertools.pairwise(pieces):
        assert len(piece) == max_texts or sum(map(tokens, [*piece, following[0]])) > max_tokens, "a piece was cut too early"


def test_what_is_no_text_is_refused_before_it_is_sent() -> None:
    with pytest.raises(DocumentRefused, match="character 2"):
        list(batches(["ab\ud800"], 10, 10))


@pytest.mark.parametrize(
    "items",
    [
        [item(0, index=0), item(1, index=1), item(2, index=2)],
        [item(2, index=2), item(0, index=0), item(1, index=1)],
        [item(0), item(1), item(2)],
        [item(0), item(1, index=1), item(2, index=2)],
        [item(0, index=0), item(1, index=0), item(2, index=0)],
        [item(0, index=None), item(1, index=None), item(2, index=None)],
    ],
    ids=["in order", "in another", "without indices", "without the zero, as Gemini", "all zero, as LiteLLM", "null"],
)
def test_vectors_come_in_the_order_of_the_texts(items: list[dict[str, Any]]) -> None:
    np.testing.assert_array_equal(vectors_of(answer(*items), "m"), VECTORS[:3])


def test_base64_is_little_endian_floats() -> None:
    encoded = base64.b64encode(VECTORS[1].astype("<f4").tobytes()).decode()
    np.testing.assert_array_equal(vectors_of(answer({"embedding": encoded}), "m"), VECTORS[1:2])


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"data": None},
        {"data": 5},
        answer({"vector": [1]}),
        {"data": [5]},
        answer(item(0, index=1), item(1, index=2)),
        answer(item(0, index=1), item(1, index=1)),
        answer(item(0, index="1"), item(1, index="x")),
        answer({"embedding": "not base64!"}),
        answer({"embedding": base64.b64encode(b"12345").decode()}),
        answer({"embedding": ["one"]}),
        answer({"embedding": [[1], [1, 2]]}),
    ],
)
def test_an_answer_that_is_none_is_the_endpoint_s_fault(body: Any) -> None:
    with pytest.raises(EmbedderUnavailable, match="base_url"):
        vectors_of(body, "m")
