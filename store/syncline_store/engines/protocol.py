"""What the store asks of a storage engine. Shaped for CQL; SQLite follows.

No method exposes a transaction, a cursor, a count(*) or an update of an outbox row: each is one statement, one batch or
one LWT in CQL. All are async unless marked sync. Every method may raise StorageUnavailable. Times are µs since 1970.
"""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from syncline_contracts.audit import AuditRecord
from syncline_contracts.dead_letter import Closed, DeadLetter, Reason
from syncline_contracts.errors import SynclineError
from syncline_contracts.event import ChangeEvent
from syncline_contracts.identity import Namespace, Ref
from syncline_store.document import Row, Write
from syncline_store.filters.declared import Declared

T = TypeVar("T")

# ------------------------------------------------------------------ values


@dataclass(frozen=True, slots=True)
class Stored:
    """The document and its outbox row are durable."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The write may or may not have landed; writing it again as it is does no harm."""

    problem: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of this write landed, and writing it again would end the same."""

    error: SynclineError


WriteOutcome = Stored | Unknown | Refused


@dataclass(frozen=True, slots=True)
class Won:
    """A conditional write is there: the row as it was read back. Its revision is the storage's where that draws it (CQL)."""

    row: Row


@dataclass(frozen=True, slots=True)
class Lost:
    """Certainly nothing of a conditional write landed: another row than the one expected was there, perhaps none."""

    row: Row | None


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A conditional write landed, and a later write replaced it before it was read back."""

    row: Row | None


@dataclass(frozen=True, slots=True)
class Shadowed:
    """The expected row is ahead of the clock that stamps conditional writes, and stays: what was written lies behind it for good."""

    problem: str


ConditionalOutcome = Won | Lost | Overtaken | Shadowed | Unknown | Refused


@dataclass(frozen=True, slots=True)
class Grouping:
    """What writes one engine likes best: how many documents a call, and how many calls under way at once."""

    items: int
    at_once: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order, and the cursor that continues behind them: opaque text, None at the end.

    A page may be empty and still have a cursor.
    """

    items: Sequence[T]
    after: str | None


@dataclass(frozen=True, slots=True, order=True)
class Pos:
    """Where an outbox row stands in its shard: by time, ties broken by bytes that only the engine understands."""

    at: int
    tie: bytes = b""

    def __str__(self) -> str:
        return f"{self.at}-{self.tie.hex()}"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An event with its place."""

    shard: int
    pos: Pos
    event: ChangeEvent


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to publish a shard, until `until`. A later owner's epoch is higher; the mark comes with the lease."""

    shard: int
    owner: str
    epoch: int
    until: int
    mark: Pos | None


@dataclass(frozen=True, slots=True)
class NamespaceSettings:
    """What is fixed at a namespace's first write: its `buckets`, and how its documents are indexed.

    `fields` are the paths into the value that are embedded (``"text"``, ``"author.name"``, ``"$"`` for the whole value; none: nothing
    is). `filterable` are the fields that searches may filter by, with their types; None: every scalar within the limits. `hybrid` is the
    language whose words are searched for beside the meaning (decision 0018); None: the meaning alone.
    `ttl` is how many seconds a document lives that is put without a life of its own; None: for ever.
    """

    buckets: int = 8
    fields: tuple[str, ...] = ("$",)
    filterable: Declared | None = None
    hybrid: str | None = None
    ttl: int | None = None

    @property
    def kept(self) -> tuple[str, ...] | None:
        """The paths that the index keeps to filter by; None: all."""
        return None if self.filterable is None else tuple(path for path, _ in self.filterable)


class Amount(NamedTuple):
    """Of living documents: how many, and the bytes of their values as canonical JSON in UTF-8."""

    documents: int
    bytes: int

    def plus(self, other: "Amount") -> "Amount":
        """Both together."""
        return Amount(self.documents + other.documents, self.bytes + other.bytes)

    def minus(self, other: "Amount") -> "Amount":
        """What is left without the other; may be negative."""
        return Amount(self.documents - other.documents, self.bytes - other.bytes)


@dataclass(frozen=True, slots=True)
class Heads:
    """Columns of n documents, tombstones included: what is needed to compare, and their refs.

    `ids` and `content_hashes` are the 16 bytes of each as two big-endian uint64 columns.
    """

    refs: Sequence[Ref] = field(repr=False)
    ids: npt.NDArray[np.uint64] = field(repr=False)  # [n, 2]
    content_hashes: npt.NDArray[np.uint64] = field(repr=False)  # [n, 2]
    revisions: npt.NDArray[np.int64]  # [n]
    expires_at: npt.NDArray[np.int64]  # [n]
    deleted: npt.NDArray[np.bool_]  # [n]
    indexed: npt.NDArray[np.bool_]  # [n], False where the index_spec keeps the document out of the index
    segments: npt.NDArray[np.int16]  # [n]

    def __len__(self) -> int:
        return len(self.revisions)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audit records: all that are not excluded. `since` <= at < `until`, in µs."""

    action: str | None = None
    tenant: str | None = None
    since: int | None = None
    until: int | None = None

    def matches(self, record: AuditRecord) -> bool:
        """Sync."""
        return (
            self.action in (None, record.action)
            and self.tenant in (None, record.tenant)
            and (self.since is None or record.at >= self.since)
            and (self.until is None or record.at < self.until)
        )


EVERY_RECORD = AuditFilter()


# ------------------------------------------------------------------ the engine's parts


class Documents(Protocol):
    """The documents' rows."""

    @property
    def lateness(self) -> int:
        """By how many µs a row may become readable after its event. 0: both at once. An absent row is believed only after it."""

    @property
    def grouping(self) -> Grouping:
        """How concurrent writers share calls of `write`. More items a call, and more calls, are taken as well."""

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteOutcome]:
        """Write each document and its outbox row, both or neither. The greatest revision of a document wins, whenever it comes.

        Equal revision: the same columns with a later expires_at extend the row's life; anything else changes nothing. The outbox
        row is written in every case. `created_at` keeps the first write's time, deletions between included.
        """

    async def read(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        """The rows as they are now, tombstones and expired ones included, in the order asked; None where there is none."""

    async def read_serial(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        """As `read`, and every conditional write that was begun before is either in what it gives or will never be."""

    async def write_if(self, write: Write, expected: Row | None) -> ConditionalOutcome:
        """Write a document if the row there is still the expected one, by its write_id; None: if there is none.

        Its event, or one that makes the handler look, is durable before the document is. The same write again with the same `expected`
        lands once at most; where an earlier attempt was Unknown, Lost says nothing of that one. Raises StorageUnavailable where
        certainly nothing landed.
        """

    async def scan(self, tenant: str, prefix: Namespace, after: str | None, limit: int) -> Page[Row]:
        """The rows at and below a prefix in (namespace, key) order, tombstones included, `limit` rows at most."""

    def heads(self, first: int, last: int, block: int = 10_000) -> AsyncIterator[Heads]:
        """Heads of the segments first..last (inclusive), in blocks of at most `block` rows, in no order."""

    def segment(self, ref: Ref) -> int:
        """Sync. The segment of a document, 0..4095: where `heads` will find it."""

    async def amount(self, tenant: str, now: int) -> Amount:
        """What a tenant's documents come to that are living at `now`. Looks at each of them: the cost grows with their bytes."""

    async def estimate(self) -> int:
        """About how many documents there are, tombstones included. Never a full scan."""


class Namespaces(Protocol):
    """The directory of namespaces."""

    async def ensure(self, tenant: str, namespace: Namespace, wanted: NamespaceSettings) -> NamespaceSettings:
        """The namespace's settings; the first writer's win. Raises nothing when they differ from `wanted`."""

    async def get(self, tenant: str, namespace: Namespace) -> NamespaceSettings | None:
        """The settings, None where nothing was ever written."""

    async def list(self, tenant: str, prefix: Namespace, after: str | None, limit: int) -> Page[Namespace]:
        """Namespaces at and below a prefix, in order."""

    async def declarations(self, tenant: str, prefix: Namespace) -> Sequence[tuple[Namespace, NamespaceSettings]]:
        """Of the namespaces at and below a prefix that declare fields or are hybrid one for each different settings, in no order."""


class Outbox(Protocol):
    """Insert-only rows in shards. Progress is the lease's mark alone."""

    @property
    def shards(self) -> int:
        """How many there are: 0..shards-1."""

    @property
    def lateness(self) -> int:
        """By how many µs a row may become readable after the time in its pos: the relay's overlaps need not reach further back."""

    async def append(self, events: Sequence[ChangeEvent], due: int | None = None) -> None:
        """Rows without a document write (deferral, repair, replay); with `due`, placed at that time, which may be in the future."""

    async def read(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[OutboxRow]:
        """Rows with after < pos <= until, in order, `limit` at most. Fewer than `limit` means that there are no more now."""

    async def places(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[Pos]:
        """Where the rows stand that `read` would give: enough for a reader that knows most of them already, at a fraction of the cost."""


class Leases(Protocol):
    """Who may publish a shard, and how far it was published."""

    async def acquire(self, shard: int, owner: str, life: int) -> Lease | None:
        """Take a free, expired or own lease for `life` µs: epoch + 1. None while another's lives."""

    async def renew(self, lease: Lease, life: int) -> Lease | None:
        """Prolong it, None once the epoch is no longer ours."""

    async def checkpoint(self, lease: Lease, mark: Pos) -> bool:
        """Move the mark forward; a mark further back changes nothing. False once the epoch is no longer ours."""

    async def release(self, lease: Lease) -> None:
        """Let others have it at once. The mark stays."""

    async def marks(self) -> Mapping[int, Pos | None]:
        """Every shard's mark; None where nothing was ever published."""


class DeadLetters(Protocol):
    """Letters, open and closed."""

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        """Durable on return. One open letter a document: a further one takes its place, keeping id and first_at, adding attempts.

        A document whose letter was discarded gets a new one only at a higher revision: its event may come again, and it was given up.
        """

    async def get(self, letter: uuid.UUID) -> DeadLetter | None:
        """One letter, closed ones included."""

    async def scan(self, after: str | None, limit: int, *, closed: bool = False) -> Page[DeadLetter]:
        """Open letters (with `closed`, all of them), oldest first."""

    async def close(self, letters: Sequence[uuid.UUID], why: Closed, note: str | None = None) -> int:
        """Close open letters; how many were. A closed one is left as it is."""

    async def resolve(self, versions: Mapping[uuid.UUID, int]) -> int:
        """Close as resolved the open letters of these documents whose revision is not above the one given."""

    async def reasons(self, letter: uuid.UUID) -> Sequence[Reason]:
        """Why it failed, newest first: the last `REASONS` failures, as far as the engine still remembers them."""


class Audit(Protocol):
    """Who did what. Insert only; records end by themselves after a time that the engine is set to."""

    async def record(self, records: Sequence[AuditRecord]) -> None:
        """Durable on return. The same record again changes nothing."""

    async def scan(
        self, after: str | None, limit: int, *, where: AuditFilter = EVERY_RECORD, newest_first: bool = True
    ) -> Page[AuditRecord]:
        """A page in the order of time. Go on with the same `where` and direction."""


class Engine(Protocol):
    """A storage engine, open until `aclose`."""

    @property
    def documents(self) -> Documents: ...
    @property
    def namespaces(self) -> Namespaces: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def dead_letters(self) -> DeadLetters: ...
    @property
    def audit(self) -> Audit: ...

    async def migrate(self) -> None:
        """Bring the schema to this version; idempotent, safe with two at once. Raises SchemaTooNew."""

    async def missing(self) -> Sequence[str]:
        """The names of the migrations that the schema lacks. Raises SchemaTooNew."""

    async def identity(self) -> str:
        """Which store this is: drawn once, when it is first asked for, and kept as long as its tables are."""

    async def clock(self) -> int:
        """The server's clock. An engine in this process gives the later of its clock and its newest revision."""

    async def expire(self, now: int) -> int:
        """What a TTL does by itself in CQL: remove rows and outbox rows whose life has ended. How many were removed."""

    async def aclose(self) -> None:
        """Finish what is under way and let go of files and connections."""
