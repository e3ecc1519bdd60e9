"""The documents' rows: last write wins by revision, which is the row's write timestamp."""

from collections.abc import AsyncIterator, Sequence

from syncline_contracts.identity import Namespace, Ref
from syncline_store.document import Row, Write
from syncline_store.engines.columns import encoded
from syncline_store.engines.cql import heads
from syncline_store.engines.cql.amount import amount
from syncline_store.engines.cql.conditional import Conditional
from syncline_store.engines.cql.estimate import estimate
from syncline_store.engines.cql.listing import Listing
from syncline_store.engines.cql.namespaces import CqlNamespaces
from syncline_store.engines.cql.outbox import CqlOutbox
from syncline_store.engines.cql.partition import LONGEST_KEY, bucket, segment
from syncline_store.engines.cql.reading import Partition, Reading
from syncline_store.engines.cql.session import CqlSession
from syncline_store.engines.cql.writing import Writing
from syncline_store.engines.protocol import Amount, ConditionalOutcome, Grouping, Heads, NamespaceSettings, Page, WriteOutcome

LATENESS = 10 * 60 * 1_000_000
"""µs within which a document is readable after its event: a batch shows its rows one by one, and its log may be replayed."""

_BATCHES = 4
"""Batches under way at once: with two cores the fourth still helps."""


class CqlDocuments:
    """Rows of documents, in partitions of a tenant, a namespace and a bucket."""

    def __init__(self, session: CqlSession, namespaces: CqlNamespaces, outbox: CqlOutbox) -> None:
        self._session = session
        self._namespaces = namespaces
        self._listing = Listing(session, namespaces)
        self._reading = Reading(session)
        self._writing = Writing(session, namespaces, outbox)
        self._conditional = Conditional(session, namespaces, outbox, self._writing)

    @property
    def lateness(self) -> int:
        """Ten minutes, in µs."""
        return LATENESS

    @property
    def grouping(self) -> Grouping:
        """As many documents as share a batch; some batches at once, so that the servers need not wait while the next is bound."""
        return Grouping(self._session.settings.batch_documents, _BATCHES)

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteOutcome]:
        """Logged batches of documents and outbox rows; what became of each."""
        return await self._writing.write(writes) if writes else []

    async def read(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        """The rows, in the order asked. A read of one row may be shared with others who ask meanwhile."""
        partitions = await self._partitions(refs)
        if len(refs) == 1:
            return [None if partitions[0] is None else await self._reading.get(partitions[0], refs[0])]
        wanted: dict[Partition, dict[str, Ref]] = {}
        for partition, ref in zip(partitions, refs, strict=True):
            if partition is not None:
                wanted.setdefault(partition, {})[ref.key] = ref
        found = await self._reading.get_many(wanted)
        return [None if partition is None else found[partition].get(ref.key) for partition, ref in zip(partitions, refs, strict=True)]

    async def read_serial(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        """One serial read a row."""
        return await self._conditional.read(refs)

    async def write_if(self, write: Write, expected: Row | None) -> ConditionalOutcome:
        """An intent, a conditional write, and a serial read."""
        return await self._conditional.write(write, expected)

    async def scan(self, tenant: str, prefix: Namespace, after: str | None, limit: int) -> Page[Row]:
        """A page in (namespace, key) order. Raises InvalidQuery for a cursor that is not this listing's."""
        return await self._listing.page(tenant, prefix, after, limit)

    def heads(self, first: int, last: int, block: int = 10_000) -> AsyncIterator[Heads]:
        """Heads of the segments first..last: ranges of tokens."""
        return heads.read(self._session, first, last, block)

    def segment(self, ref: Ref) -> int:
        """Where the partition's token is. A namespace that this process has not met is taken to have the default's buckets."""
        namespace = encoded(ref.namespace)
        buckets = self._namespaces.known_buckets(ref.tenant, namespace) or NamespaceSettings().buckets
        return segment(ref.tenant, namespace, bucket(ref.key, buckets))

    async def amount(self, tenant: str, now: int) -> Amount:
        """Reads every value: CQL cannot tell a text's length."""
        return await amount(self._session, self._namespaces, tenant, now)

    async def estimate(self) -> int:
        """From a bounded look at the ring, or the server's own estimate."""
        return await estimate(self._session)

    async def _partitions(self, refs: Sequence[Ref]) -> list[Partition | None]:
        """Where each is; None where the namespace was never written, and for a key that would fail who shares its read."""
        names: dict[tuple[str, Namespace], tuple[str, int | None]] = {}
        found: list[Partition | None] = []
        for ref in refs:
            tenant, key = ref.tenant, ref.key
            name = names.get((tenant, ref.namespace))
            if name is None:
                name = names[tenant, ref.namespace] = await self._name(tenant, encoded(ref.namespace))
            namespace, buckets = name
            if buckets is None or len(key.encode()) > LONGEST_KEY:
                found.append(None)
            else:
                found.append((tenant, namespace, bucket(key, buckets)))
        return found

    async def _name(self, tenant: str, namespace: str) -> tuple[str, int | None]:
        """A namespace (encoded) with the number of its buckets."""
        return namespace, self._namespaces.known_buckets(tenant, namespace) or await self._namespaces.buckets(tenant, namespace)

    async def aclose(self) -> None:
        """Wait for the reads that are shared."""
        await self._reading.aclose()
