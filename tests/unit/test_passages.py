"""Texts out of values, and passages out of texts."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from syncline_contracts.errors import DocumentRefused
from syncline_store.indexing.passages import CHARACTERS, Splitter
from syncline_store.indexing.text import paths, text_of
from tests.parts.embedders import HashEmbedder

VALUE = {
    "title": "T",
    "body": {"b": "B", "a": "A", "n": 1, "none": None},
    "items": [{"name": "x", "tags": ["p", "q"]}, {"name": "y"}, "loose", {"other": 3}],
}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (["$"], "A\nB\nx\np\nq\ny\nloose\nT"),
        (["title"], "T"),
        (["body.a", "title"], "A\nT"),
        (["body"], "A\nB"),
        (["items[].name"], "x\ny"),
        (["items[].tags"], "p\nq"),
        (["items[]"], "x\np\nq\ny\nloose"),
        (["nowhere.at.all", "title.x", "title[]"], ""),
        ([], ""),
    ],
)
def test_text_of(chosen: list[str], expected: str) -> None:
    assert text_of(VALUE, chosen) == expected


def test_the_order_of_keys_in_a_value_changes_nothing() -> None:
    assert text_of(dict(reversed(VALUE.items())), ["$"]) == text_of(VALUE, ["$"])


@pytest.mark.parametrize(("spec", "expected"), [("", ["f"]), ('["a.b","$"]', ["a.b", "$"]), ("[]", [])])
def test_paths(spec: str, expected: list[str]) -> None:
    assert list(paths(spec, ["f"])) == expected


@pytest.mark.parametrize("spec", ["nonsense", "3", '{"a": 1}', "[1]", "true"])
def test_a_spec_that_is_no_list_of_paths_is_refused(spec: str) -> None:
    with pytest.raises(DocumentRefused, match="index_spec"):
        paths(spec, [])


SPLITTER = Splitter(HashEmbedder(), 16)
texts = st.text(st.sampled_from("ab é日\n\t .\U0001f600\u200b"), max_size=600)


@given(texts)
def test_passages_are_the_text_at_their_spans_in_order_and_short_enough(text: str) -> None:
    passages = SPLITTER.split(text)
    assert all(text[each.start : each.end] == each.text for each in passages)
    assert all(len(each.text) <= 16 * CHARACTERS for each in passages)
    assert all(before.end <= after.start for before, after in pairwise(passages))
    assert all(each.text.strip() for each in passages)
    covered = {place for each in passages for place in range(each.start, each.end)}
    assert all(text[place].isspace() for place in range(len(text)) if place not in covered), "something was left out"


@given(texts)
def test_the_same_text_is_cut_the_same_way(text: str) -> None:
    assert Splitter(HashEmbedder(), 16).split(text) == SPLITTER.split(text)


def test_white_space_has_no_passages() -> None:
    assert SPLITTER.split(" \n\t ") == []
    assert SPLITTER.split("") == []


def test_an_embedder_that_takes_less_has_its_way() -> None:
    embedder = HashEmbedder()
    embedder.max_tokens = 4
    assert all(len(each.text) <= 4 * CHARACTERS for each in Splitter(embedder, 256).split("word " * 100))


def test_an_embedder_that_offers_its_tokenizer_is_cut_by_tokens() -> None:
    tokenizer = Tokenizer(WordLevel({"word": 0}, "word"))  # type: ignore[no-untyped-call]  # untyped there
    tokenizer.pre_tokenizer = Whitespace()
    embedder: Any = HashEmbedder()
    embedder.tokenizer = tokenizer
    pieces = [each.text.split() for each in Splitter(embedder, 16).split("word " * 100)]
    assert sum(map(len, pieces)) == 100
    assert max(map(len, pieces)) == 16


def test_the_text_hash_tells_texts_models_and_ways_of_cutting_apart() -> None:
    ways = [Splitter(HashEmbedder(8), 16), Splitter(HashEmbedder(16), 16), Splitter(HashEmbedder(16), 32)]
    hashes = {way.text_hash(text) for way in ways for text in ("a", "b")}
    assert len(hashes) == 6
    assert SPLITTER.text_hash("a") == Splitter(HashEmbedder(), 16).text_hash("a")
