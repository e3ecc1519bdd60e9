"""Texts that are embedded apart: none spans two, each knows its place, there are not too many, and a spec that says nothing is refused."""

import json

import pytest

from syncline_contracts.errors import DocumentRefused
from syncline_store.document import Apart
from syncline_store.indexing.passages import Splitter
from syncline_store.indexing.text import BETWEEN, MOST_APART, texts_of
from syncline_store.testing import WordEmbedder, open_test_store


def spec(*paths: str) -> str:
    return json.dumps({"apart": paths})


def test_each_passage_stands_where_it_says() -> None:
    texts = ["  one two  ", "", "three", "word " * 5_000]
    passages = Splitter(WordEmbedder(), 256).split_all(texts)
    joined = BETWEEN.join(texts)
    assert [joined[passage.start : passage.end] for passage in passages] == [passage.text for passage in passages]
    assert [passage.text for passage in passages[:2]] == ["one two", "three"]
    assert len(passages) > 3
    assert not [passage for passage in passages if BETWEEN in passage.text]


def test_a_text_that_holds_the_separator_cannot_shift_the_others() -> None:
    assert texts_of({"a": f"x{BETWEEN}y", "b": "z"}, spec("a", "b"), []) == ["x y", "z"]


def test_too_many_share_the_last() -> None:
    words = [f"w{number}" for number in range(MOST_APART + 5)]
    texts = texts_of({"words": words}, spec("words[*]"), [])
    assert len(texts) == MOST_APART
    assert texts[-1].split("\n") == words[MOST_APART - 1 :]


def test_any_other_spec_gives_one_text() -> None:
    value = {"a": "x", "b": "y"}
    assert texts_of(value, "", ["a", "b"]) == ["x\ny"]
    assert texts_of(value, '["b"]', ["a"]) == ["y"]


@pytest.mark.parametrize("broken", ["{", '{"apart": "a"}', '{"apart": [1]}', "{}"])
def test_a_spec_that_names_no_paths_is_the_documents_fault(broken: str) -> None:
    with pytest.raises(DocumentRefused):
        texts_of({}, broken, [])


async def test_a_hit_tells_the_text_that_matched() -> None:
    async with open_test_store() as store:
        notes = store.tenant("acme")
        await notes.put(
            ("notes",), "n1", {"title": "about dogs", "parts": [{"t": "a cat"}, {"t": "a bird"}]}, index=Apart(("title", "parts[*].t"))
        )
        for query in ("dogs", "cat", "bird"):
            (hit,) = await notes.search(("notes",), query=query)
            assert hit.passage is not None
            assert query in hit.passage
            assert len(hit.passage.split()) == 2
