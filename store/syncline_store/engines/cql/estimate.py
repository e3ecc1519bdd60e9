"""About how many documents there are: a look at a part of the ring, of bounded size."""

import secrets

from syncline_store.engines.cql.partition import LOWEST
from syncline_store.engines.cql.session import CqlSession
from syncline_store.engines.cql.statements.documents import COUNTED, SIZES

ROWS = 20_000
"""Rows that are looked at, at most."""
_PAGE = 5_000
_ROW_BYTES = 1_000
"""About what a row takes on disk, for the servers' own estimate, which knows bytes."""


async def estimate(session: CqlSession) -> int:
    """Exact where the ring holds few rows. Else what is seen from a random token on is taken for its share of the ring."""
    start = LOWEST + secrets.randbits(64)
    upper, covered = await _seen(session, start, -LOWEST, ROWS)
    lower, rest = await _seen(session, LOWEST, start, ROWS - upper) if covered >= -LOWEST - start else (0, 0)
    seen, share = upper + lower, (covered + rest) / (1 << 64)
    if share >= 1:
        return seen
    return max(seen, min(round(seen / share), await _by_size(session))) if share else seen


async def _seen(session: CqlSession, start: int, end: int, most: int) -> tuple[int, int]:
    """Rows from a token up to another (exclusive), and how many tokens they were spread over."""
    rows = 0
    async for page in session.pages(COUNTED, start, size=_PAGE):
        inside = [(token, revision) for token, revision in page if token < end]
        rows += sum(revision is not None for _, revision in inside)
        if len(inside) < len(page):
            break
        if page and rows >= most:
            return rows, max(1, page[-1][0] - start)
    return rows, end - start


async def _by_size(session: CqlSession) -> int:
    """The server's estimate of its own part, refreshed every few minutes; more than anything where it has none."""
    sizes = await session.run(SIZES, session.settings.keyspace)
    size = sum(mean * partitions for mean, partitions in sizes)
    return size // _ROW_BYTES if size else 1 << 62
