"""What a tenant's documents come to: its partitions are found by the directory of namespaces, and read through.

There is no length of a text in CQL, so the values themselves are read, a page at a time, measured and let go. The work is all of the
tenant's bytes and one request for each partition (a namespace's buckets), some of them at once.
"""

from syncline_store.engines.cql.namespaces import CqlNamespaces
from syncline_store.engines.cql.session import CqlSession
from syncline_store.engines.cql.statements.documents import AMOUNT
from syncline_store.engines.protocol import Amount
from syncline_store.together import together

_NAMESPACES = 100
"""Namespaces that are looked up at a time."""
_AT_ONCE = 4
"""Partitions that are read at once: one count leaves the connection to others."""
_PAGE = 100
"""Rows that are read at a time."""


async def amount(session: CqlSession, namespaces: CqlNamespaces, tenant: str, now: int) -> Amount:
    """Of what is living at `now`, µs. Raises StorageUnavailable."""
    found, last = Amount(0, 0), None
    while below := await namespaces.below(tenant, "", last, _NAMESPACES):
        last = below[-1][0]
        partitions = [(name, bucket) for name, buckets in below for bucket in range(buckets)]
        for first in range(0, len(partitions), _AT_ONCE):
            some = partitions[first : first + _AT_ONCE]
            for each in await together(_partition(session, tenant, *partition, now) for partition in some):
                found = found.plus(each)
    return found


async def _partition(session: CqlSession, tenant: str, namespace: str, bucket: int, now: int) -> Amount:
    """A row that is no document any more has no `deleted`, a tombstone's is true."""
    documents = size = 0
    async for page in session.pages(AMOUNT, tenant, namespace, bucket, size=_PAGE):
        for deleted, expires_at, value in page:
            if deleted is False and expires_at > now:
                documents += 1
                size += len(value) if value.isascii() else len(value.encode())
    return Amount(documents, size)
