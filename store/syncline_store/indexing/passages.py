"""Long texts are cut into passages at sensible boundaries. The same text is always cut the same way."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from semantic_text_splitter import TextSplitter

from syncline_store.embedding.protocol import Embedder
from syncline_store.sparse import SCHEME

CHARACTERS = 4
"""Characters of a token, on the average of English (3.8 measured with WordLlama's tokenizer). Counting tokens takes 300 times as long."""
_HASH_BYTES = 16


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document's text. `start` and `end` are characters of that text: ``text[start:end]`` is the passage."""

    text: str
    start: int
    end: int


class Splitter:
    """Cuts to the embedder's measure: its own tokens if it offers its `tokenizer` (of the tokenizers package), characters otherwise."""

    def __init__(self, embedder: Embedder, passage_tokens: int) -> None:
        tokens = min(passage_tokens, embedder.max_tokens)
        tokenizer = getattr(embedder, "tokenizer", None)
        self._fits = tokens if tokenizer is not None else tokens * CHARACTERS
        self._bytes = tokenizer is not None
        self._cut: Callable[[str], list[tuple[int, str]]] = _cutter(tokenizer, self._fits)
        self._way = f"{embedder.model}\0{'tokens' if self._bytes else 'characters'}\0{self._fits}\0"

    def split(self, text: str) -> list[Passage]:
        """The passages in order, without the white space around them; none for a text of white space."""
        if self._short(text):
            trimmed = text.strip()
            start = len(text) - len(text.lstrip())
            return [Passage(trimmed, start, start + len(trimmed))] if trimmed else []
        return [Passage(piece, start, start + len(piece)) for start, piece in self._cut(text)]

    def split_all(self, texts: Sequence[str]) -> list[Passage]:
        """Of several texts; none spans two of them, and each stands where it does in all of them joined by one character."""
        passages: list[Passage] = []
        begin = 0
        for text in texts:
            passages += [Passage(piece.text, begin + piece.start, begin + piece.end) for piece in self.split(text)]
            begin += len(text) + 1
        return passages

    def text_hash(self, text: str, hybrid: str | None = None) -> str:
        """Hex. Says which text was embedded, by which model, cut in which way: where it is the same, so are the vectors.

        `hybrid`: the language of its words, where they have vectors too.
        """
        way = self._way if hybrid is None else f"{self._way}{hybrid} {SCHEME}\0"
        return hashlib.blake2b((way + text).encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).hexdigest()

    def _short(self, text: str) -> bool:
        """Surely one passage: no token is shorter than a byte."""
        return (len(text.encode("utf-8", "surrogatepass")) if self._bytes else len(text)) <= self._fits


def _cutter(tokenizer: Any, size: int) -> Callable[[str], list[tuple[int, str]]]:
    splitter = TextSplitter(size) if tokenizer is None else TextSplitter.from_huggingface_tokenizer(tokenizer, size)
    return splitter.chunk_indices
