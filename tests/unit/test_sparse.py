import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_store import sparse
from syncline_store.sparse import AVERAGE, K1, PLAIN, of_passage, of_query, words

GOLDEN = 4201017456
"""The index of the word 4711."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ERR-4711 failed", ["err", "4711", "failed"]),
        ("Straße, ÉCOLE; 東京 3,5", ["strasse", "école", "東京", "3", "5"]),
        ("ﬁne \u0065\u0301t\u00e9", ["fine", "été"]),
        ("--- !? \n", []),
        ("x" * 100, ["x" * 64]),
    ],
)
def test_words_are_unicodes_and_numbers_are_kept(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


def test_a_language_brings_the_forms_of_a_word_together() -> None:
    assert of_passage("connections", "english") == of_passage("connected", "english")
    assert of_passage("connections", PLAIN) != of_passage("connected", PLAIN)
    assert of_passage("Häuser", "german") == of_passage("Haus", "german")


def test_a_words_index_is_the_same_for_ever() -> None:
    """What is in an index was hashed by another process, perhaps years ago."""
    found = of_query("4711", [PLAIN])
    assert found is not None
    assert found.indices == (GOLDEN,)
    code = "from syncline_store.sparse import of_query; print(of_query('4711', ['english']).indices[0])"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True, timeout=60
        )
        assert int(done.stdout) == GOLDEN


def test_weights_are_bm25s_without_idf() -> None:
    words_of_average = " ".join(["again", "again", *(f"w{number}" for number in range(AVERAGE - 2))])
    found = of_passage(words_of_average, PLAIN)
    assert found is not None
    assert max(found.values) == pytest.approx(2 * (K1 + 1) / (2 + K1))  # twice, in a passage of average length
    assert min(found.values) == pytest.approx(1.0)  # once
    short = of_passage("again", PLAIN)
    assert short is not None
    assert short.values[0] > 1.0  # a short passage's words say more


def test_a_querys_words_count_once_and_in_every_language_that_is_spoken() -> None:
    found = of_query("Connections connections", ["english"])
    assert found is not None
    assert found.values == (1.0,)
    both = of_query("Connections", ["english", PLAIN])
    assert both is not None
    assert len(both.indices) == 2
    assert set(found.indices) < set(both.indices)


@given(st.text(), st.sampled_from(sparse.languages()))
def test_any_text_has_a_vector_that_qdrant_takes(text: str, language: str) -> None:
    found = of_passage(text, language)
    if found is None:
        assert not list(words(text))
        return
    assert list(found.indices) == sorted(set(found.indices))
    assert all(0 <= index < 2**32 for index in found.indices)
    assert all(0 < value < K1 + 1 for value in found.values)
    assert of_query(text, [language]).indices == found.indices  # type: ignore[union-attr]  # it has words
