"""Texts into requests: so many texts, and so many tokens, at most."""

from collections.abc import Iterator, Sequence

from syncline_contracts.errors import DocumentRefused

BYTES = 3
"""UTF-8 bytes of a token, on the safe side for most scripts: English has about four, Chinese and Japanese three."""


def tokens(text: str) -> int:
    """An estimate. Raises DocumentRefused for half a surrogate pair, which no request can carry."""
    try:
        return len(text.encode()) // BYTES + 1
    except UnicodeEncodeError as error:
        raise DocumentRefused(f"not a text: {error.reason} at character {error.start}") from error


def batches(texts: Sequence[str], max_texts: int, max_tokens: int) -> Iterator[Sequence[str]]:
    """The texts in order, in as few pieces as the bounds allow; a text that is longer than they are is a piece of its own."""
    start, sum_ = 0, 0
    for place, text in enumerate(texts):
        more = tokens(text)
        if place > start and (place - start == max_texts or sum_ + more > max_tokens):
            yield texts[start:place]
            start, sum_ = place, 0
        sum_ += more
    if start < len(texts):
        yield texts[start:]
