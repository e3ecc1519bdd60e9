"""Texts as sparse vectors: which words stand in them and how much each says. Made from the text alone, nothing is downloaded.

A word is what Unicode takes for one (letters, digits, `_`), casefolded, stemmed by Snowball's rules of the namespace's language, and
hashed to an index. How rare it is, its IDF, Qdrant knows: the collection's sparse vector has that modifier.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer  # type: ignore[import-untyped]  # it has no types

PLAIN = "plain"
"""The language of texts whose words are to be taken as they are: of many languages, or of one that Snowball does not know."""
K1 = 1.2
"""How soon a word that comes again says nothing new: BM25's usual value, and that of Lucene."""
B = 0.75
"""How much a long passage's words count less: likewise."""
AVERAGE = 128
"""Words of an average passage. Fixed: passages are cut to a size, and a mean that moves would make every vector stale."""
SCHEME = 1
"""Is part of hybrid texts' hashes: with another one they are written anew. To be raised when the same text gets another vector."""
_WORD = re.compile(r"\w+")
_LONGEST = 64
"""Characters of a word that count; what is longer is no word but data, and is told apart by these."""
_STEMS = 65_536
"""Words whose stems are remembered."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse vector: `indices` ascending, each once, below 2**32; `values` beside them, above zero."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


def languages() -> list[str]:
    """What a namespace may ask for: Snowball's languages, and PLAIN."""
    return [PLAIN, *sorted(snowballstemmer.algorithms())]


def of_passage(text: str, language: str) -> Sparse | None:
    """BM25's weight of each word but for its IDF; None for a text without words.

    tf * (K1 + 1) / (tf + K1 * (1 - B + B * words / AVERAGE)): Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and
    Beyond (2009), formula 3.15.
    """
    counts = Counter(_indices(text, language))
    damping = K1 * (1 - B + B * counts.total() / AVERAGE)
    return _vector((index, count * (K1 + 1) / (count + damping)) for index, count in counts.items())


def of_query(text: str, spoken: Iterable[str]) -> Sparse | None:
    """Each different word once, with the weight 1, stemmed as each of these languages does it; None for a text without words."""
    return _vector((index, 1.0) for index in {index for language in spoken for index in _indices(text, language)})


def words(text: str) -> Iterator[str]:
    """The words of a text, numbers too, in order: "ERR-4711" is `err` and `4711`."""
    for found in _WORD.finditer(unicodedata.normalize("NFKC", text).casefold()):
        yield found.group()[:_LONGEST]


def _indices(text: str, language: str) -> Iterator[int]:
    return (_index(word, language) for word in words(text))


@lru_cache(_STEMS)
def _index(word: str, language: str) -> int:
    """The same in every process and for ever. A stemmer has state and may not be shared by threads: each word has its own."""
    stem = word if language == PLAIN else snowballstemmer.stemmer(language).stemWord(word)
    return int.from_bytes(hashlib.blake2b(stem.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")


def _vector(weights: Iterable[tuple[int, float]]) -> Sparse | None:
    ordered = sorted(weights)
    return Sparse(tuple(index for index, _ in ordered), tuple(weight for _, weight in ordered)) if ordered else None
