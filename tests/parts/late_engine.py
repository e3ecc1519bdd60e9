"""An engine whose rows surface late: what CQL's batch log and slow replicas do, on demand and in manual time.

    late = LateEngine(await open_sqlite(...), now)
    late.delays.outbox[ref] = 30 * SECOND      # this document's outbox rows can be read 30 s after the time in their pos
    late.delays.outbox_default = 4 * MINUTE    # all the others'
    late.delays.documents[ref] = HELD          # what is written to this document is not read until...
    late.delays.documents.pop(ref)             # ...released

A delay counts for rows that are there already, too. Leases, namespaces, dead letters and audit are the wrapped engine's.
"""

import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from syncline_contracts.event import ChangeEvent
from syncline_contracts.identity import Namespace, Ref
from syncline_store.document import Row, Write
from syncline_store.engines.protocol import (
    Amount,
    Audit,
    ConditionalOutcome,
    DeadLetters,
    Documents,
    Engine,
    Grouping,
    Heads,
    Leases,
    Namespaces,
    Outbox,
    OutboxRow,
    Page,
    Pos,
    Won,
    WriteOutcome,
)
from tests.parts.clock import MINUTE

HELD = 1 << 62
"""A delay that ends when it is taken back."""


@dataclass
class Delays:
    """µs between a row's writing and its surfacing, by document; `outbox_rows` by event id goes before them."""

    outbox: dict[Ref, int] = field(default_factory=dict)
    outbox_rows: dict[object, int] = field(default_factory=dict)
    outbox_default: int = 0
    documents: dict[Ref, int] = field(default_factory=dict)

    def of(self, event: ChangeEvent) -> int:
        return self.outbox_rows.get(event.id, self.outbox.get(event.ref, self.outbox_default))


class LateEngine:
    """Wraps an engine; declares how late its rows may be, as CQL does."""

    def __init__(
        self, inner: Engine, now: Callable[[], int], *, outbox_lateness: int = 5 * MINUTE, documents_lateness: int = 10 * MINUTE
    ) -> None:
        self.inner = inner
        self.delays = Delays()
        self.documents: Documents = LateDocuments(inner.documents, now, self.delays, documents_lateness)
        self.outbox: Outbox = LateOutbox(inner.outbox, now, self.delays, outbox_lateness)
        self.namespaces: Namespaces = inner.namespaces
        self.leases: Leases = inner.leases
        self.dead_letters: DeadLetters = inner.dead_letters
        self.audit: Audit = inner.audit

    async def migrate(self) -> None:
        await self.inner.migrate()

    async def missing(self) -> Sequence[str]:
        return await self.inner.missing()

    async def identity(self) -> str:
        return await self.inner.identity()

    async def clock(self) -> int:
        return await self.inner.clock()

    async def expire(self, now: int) -> int:
        return await self.inner.expire(now)

    async def aclose(self) -> None:
        await self.inner.aclose()


class LateOutbox:
    def __init__(self, inner: Outbox, now: Callable[[], int], delays: Delays, lateness: int) -> None:
        self._inner = inner
        self._now = now
        self._delays = delays
        self._lateness = lateness

    @property
    def shards(self) -> int:
        return self._inner.shards

    @property
    def lateness(self) -> int:
        return self._lateness

    async def append(self, events: Sequence[ChangeEvent], due: int | None = None) -> None:
        await self._inner.append(events, due)

    async def read(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[OutboxRow]:
        """Read on past rows that did not surface, since fewer than `limit` means that there are no more."""
        surfaced: list[OutboxRow] = []
        while len(surfaced) < limit:
            page = await self._inner.read(shard, after, until, limit)
            surfaced += [row for row in page if self._has_surfaced(row)]
            if len(page) < limit:
                break
            after = page[-1].pos
        return surfaced[:limit]

    async def places(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[Pos]:
        return [row.pos for row in await self.read(shard, after, until, limit)]

    def _has_surfaced(self, row: OutboxRow) -> bool:
        delay = self._delays.of(row.event)
        return not delay or row.pos.at + delay <= self._now()


@dataclass
class _State:
    """What a document became by a write, and when that was."""

    at: int
    row: Row | None


class LateDocuments:
    """Reads and scans give the newest state that has surfaced; heads give what is really there."""

    def __init__(self, inner: Documents, now: Callable[[], int], delays: Delays, lateness: int) -> None:
        self._inner = inner
        self._now = now
        self._delays = delays
        self._lateness = lateness
        self._states: dict[Ref, list[_State]] = {}

    @property
    def lateness(self) -> int:
        return self._lateness

    @property
    def grouping(self) -> Grouping:
        return self._inner.grouping

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteOutcome]:
        late = [write.ref for write in writes if write.ref in self._delays.documents]
        before = await self._inner.read(late)
        outcomes = await self._inner.write(writes)
        for ref, row in zip(late, before, strict=True):
            self._states.setdefault(ref, [_State(-HELD, row)])
        for ref, after in zip(late, await self._inner.read(late), strict=True):
            self._states[ref].append(_State(self._now(), after))
        return outcomes

    async def read(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        rows = await self._inner.read(refs)
        return [self._surfaced(ref, row) for ref, row in zip(refs, rows, strict=True)]

    async def read_serial(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        """What is really there: a conditional write that was begun is finished by it."""
        for ref in refs:
            self._delays.documents.pop(ref, None)
        return await self._inner.read_serial(refs)

    async def write_if(self, write: Write, expected: Row | None) -> ConditionalOutcome:
        """Its row surfaces like any other: until then it is accepted, and not committed."""
        if write.ref in self._delays.documents:
            self._states.setdefault(write.ref, [_State(-HELD, expected)])
        outcome = await self._inner.write_if(write, expected)
        if write.ref in self._delays.documents and isinstance(outcome, Won):
            self._states[write.ref].append(_State(self._now(), outcome.row))
        return outcome

    async def scan(self, tenant: str, prefix: Namespace, after: str | None, limit: int) -> Page[Row]:
        page = await self._inner.scan(tenant, prefix, after, limit)
        rows = [self._surfaced(row.ref, row) for row in page.items]
        return dataclasses.replace(page, items=[row for row in rows if row is not None])

    def heads(self, first: int, last: int, block: int = 10_000) -> AsyncIterator[Heads]:
        return self._inner.heads(first, last, block)

    def segment(self, ref: Ref) -> int:
        return self._inner.segment(ref)

    async def amount(self, tenant: str, now: int) -> Amount:
        return await self._inner.amount(tenant, now)

    async def estimate(self) -> int:
        return await self._inner.estimate()

    def _surfaced(self, ref: Ref, row: Row | None) -> Row | None:
        delay = self._delays.documents.get(ref, 0)
        if not delay or ref not in self._states:
            return row
        return [state.row for state in self._states[ref] if state.at + delay <= self._now()][-1]
