import math
from typing import Any

import numpy as np
import pytest

from syncline_contracts.errors import InvalidFilter, InvalidInput, InvalidQuery
from syncline_store.filters.fields import LONGEST
from syncline_store.search.asked import Asked
from syncline_store.search.question import Question, asked
from syncline_store.testing import WordEmbedder

EMBEDDER = WordEmbedder(4)


async def ask(**given: Any) -> Question:
    return await asked(EMBEDDER, "acme", ("notes",), Asked(**given))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"query": "a", "vector": [1, 0, 0, 0]}, "query"),
        ({"query": ""}, "query"),
        ({"query": " \n"}, "query"),
        ({"query": 5}, "query"),
        ({"query": "x" * 100_001}, "query"),
        ({"vector": [1, 0]}, "vector"),
        ({"vector": [[1, 0, 0, 0]]}, "vector"),
        ({"vector": ["a", "b", "c", "d"]}, "vector"),
        ({"vector": [math.nan, 0, 0, 0]}, "vector"),
        ({"vector": [0, 0, 0, 0]}, "vector"),
        ({"threshold": 0.5}, "threshold"),
        ({"query": "a", "mode": "sparse"}, "mode"),
        ({"vector": [1, 0, 0, 0], "mode": "hybrid"}, "mode"),
        ({"mode": "hybrid"}, "mode"),
        ({"query": "a", "mode": "hybrid", "threshold": 0.5}, "threshold"),
        ({"limit": 0}, "limit"),
        ({"limit": 1_001}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": 10_001}, "offset"),
    ],
)
async def test_arguments_that_make_no_sense_are_refused_before_anything_is_asked(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        await ask(**given)
    assert refused.value.field == field


@pytest.mark.parametrize("filter", ["x", {"a": {"$near": 1}}, {"a": {"$gt": "x"}}])
async def test_a_wrong_filter_is_refused(filter: Any) -> None:  # noqa: A002 - the word of the face
    with pytest.raises(InvalidFilter):
        await ask(filter=filter)


async def test_a_filter_on_a_longer_string_than_the_index_keeps_is_refused_not_missed() -> None:
    question = await ask(filter={"url": "x" * (LONGEST + 1)})
    with pytest.raises(InvalidInput, match=r"filter\.url"):
        question.where(0)


async def test_the_tenant_and_the_prefix_are_in_every_filter() -> None:
    where = (await ask(filter={"$or": [{"tenant": "globex"}, {"kind": "x"}]})).where(5)
    said = where.model_dump_json(exclude_none=True)
    assert isinstance(where.must, list)
    assert '{"key":"tenant","match":{"value":"acme"}}' in said
    assert where.must[0].model_dump(exclude_none=True) == {"key": "tenant", "match": {"value": "acme"}}
    assert '"notes\\u0001"' in said
    assert '"fields.tenant"' in said


async def test_a_query_becomes_a_vector() -> None:
    question = await ask(query="cat", limit=5, offset=7)
    assert question.vector is not None
    assert np.linalg.norm(question.vector) == pytest.approx(1)
    assert question.wanted == 12
