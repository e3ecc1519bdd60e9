"""Documents to measure with: text of about 0.7 KB, one passage each, the same in every run."""

import random
from typing import Any

VOCABULARY = (
    "index source document revision outbox relay handler passage point head tombstone guard settle defer drift repair shard lease mark "
    "segment engine vector search filter tenant namespace key value write read batch commit replay letter event publish consume embed "
    "river stone harbour winter garden letter music bridge forest paper window market silver engine orange castle morning shadow copper"
)
WORDS = VOCABULARY.split()


def texts(count: int, *, words: int = 110, seed: int = 7) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=words)) for _ in range(count)]


def values(count: int, **given: int) -> list[dict[str, Any]]:
    return [{"text": text, "kind": ("note", "page")[number % 2], "number": number} for number, text in enumerate(texts(count, **given))]
