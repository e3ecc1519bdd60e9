"""Python's search for cycles, made rare while a walk turns pages of payloads into columns: a quarter of its CPU otherwise."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARE = 20_000
"""New objects before Python searches, about a page's. What is in a cycle, such as the client's answers, waits longer: 50,000 cost 50 MB."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Of the whole process. Two at once do no harm: at worst it stays rare until the other ends."""
    before, *others = gc.get_threshold()
    if before:  # zero: somebody switched it off
        gc.set_threshold(max(before, RARE), *others)
    try:
        yield
    finally:
        gc.set_threshold(before, *others)
