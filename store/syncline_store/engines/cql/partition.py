"""Where a document lives: its bucket, its partition's token, and the segment that this token is in."""

from functools import lru_cache
from itertools import pairwise
from struct import pack
from zlib import crc32

from cassandra.metadata import Murmur3Token

LONGEST_KEY = 65_535
"""Bytes; the servers refuse a longer one."""
SEGMENT_SHIFT = 52
"""A segment is the top 12 of a token's 64 bits."""
LOWEST = -(1 << 63)
"""The least token."""


def bucket(key: str, buckets: int) -> int:
    """Fixed for ever: another hash would look for documents where they are not."""
    return crc32(key.encode()) % buckets


@lru_cache(maxsize=10_000)
def segment(tenant: str, namespace: str, number: int) -> int:
    """0..4095, of a partition (the namespace encoded): what the servers' own partitioner makes of its key."""
    parts = (tenant.encode(), namespace.encode(), pack(">i", number))
    key = b"".join(pack(">H", len(part)) + part + b"\0" for part in parts)
    token: int = Murmur3Token.hash_fn(key)
    return (token - LOWEST) >> SEGMENT_SHIFT


def tokens(first: int, last: int) -> tuple[int, int]:
    """The least and the greatest token of the segments first..last."""
    return (first << SEGMENT_SHIFT) + LOWEST, ((last + 1) << SEGMENT_SHIFT) + LOWEST - 1


def ranges(first: int, last: int, count: int) -> list[tuple[int, int]]:
    """Segments first..last in at most `count` parts of about one size, each as (first, last)."""
    total = last - first + 1
    cuts = sorted({first + total * number // count for number in range(count)} | {last + 1})
    return [(start, end - 1) for start, end in pairwise(cuts)]
