"""Writing documents: each with its outbox row in one logged batch, several documents sharing one.

A batch that is too large for the servers is cut; a document that is too large for any batch is written outbox-first, which is safe
because a handler defers an event that is ahead of its document (docs/protocol.md, handler, step 4).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cassandra.query import BatchStatement, BatchType, BoundStatement

from syncline_contracts.errors import ConfigurationError, SynclineError
from syncline_store.document import Write
from syncline_store.engines.columns import encoded
from syncline_store.engines.cql.errors import did_nothing, is_invalid, unfit
from syncline_store.engines.cql.namespaces import CqlNamespaces
from syncline_store.engines.cql.outbox import TOO_SLOW, CqlOutbox, Place
from syncline_store.engines.cql.partition import LONGEST_KEY, bucket
from syncline_store.engines.cql.session import CqlSession
from syncline_store.engines.cql.statements import documents as statements
from syncline_store.engines.protocol import NamespaceSettings, Refused, Stored, Unknown, WriteOutcome
from syncline_store.together import together

ROW_BYTES = 500
"""About what a row and its outbox row weigh beside the value and three times the name."""
BATCHES = 8
"""Batches of one call that are under way at once."""
ENCODING = (UnicodeError, ValueError, TypeError, OverflowError)
"""What the driver raises for a value that the column cannot hold."""
_LAST_END = (1 << 31) - 2
"""Seconds since 1970 at which a TTL may end: Cassandra refuses later ones. Such a row stays; its expires_at is what readers go by."""
_TOO_LARGE = "batch too large"
"""In both servers' words."""
_STORED = Stored()


@dataclass(frozen=True, slots=True)
class Bound:
    """A write as statements."""

    write: Write
    statements: tuple[BoundStatement, BoundStatement]


@dataclass(frozen=True, slots=True)
class NothingDone:
    """The servers did not take the request: none of its writes is there."""

    error: SynclineError


Result = WriteOutcome | NothingDone


class Writing:
    """Binds writes, groups them, and says of each what became of it."""

    def __init__(self, session: CqlSession, namespaces: CqlNamespaces, outbox: CqlOutbox) -> None:
        self._session = session
        self._namespaces = namespaces
        self._outbox = outbox
        self._room = asyncio.Semaphore(BATCHES)

    async def write(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Raises what went wrong only where certainly none of the writes landed."""
        found = await together(self._land(batch) for batch in self._batches(writes))
        return _outcomes([result for batch in found for result in batch])

    def _batches(self, writes: Sequence[Write]) -> list[list[Write]]:
        """In the order given, each within the limits; a write that is too large stands alone."""
        settings = self._session.settings
        batches: list[list[Write]] = []
        size = 0
        for write in writes:
            size += (mine := _size(write))
            if not batches or len(batches[-1]) >= settings.batch_documents or size > settings.batch_bytes:
                batches.append([])
                size = mine
            batches[-1].append(write)
        return batches

    async def _land(self, batch: Sequence[Write]) -> Sequence[Result]:
        """Bound and sent before the next batch is bound: the servers work on it meanwhile."""
        async with self._room:
            try:
                bound = await self._bind(batch)
            except SynclineError as error:
                return [NothingDone(error)] * len(batch)
            results = iter(await self._send([each for each in bound if isinstance(each, Bound)]))
            return [each if isinstance(each, Refused) else next(results) for each in bound]

    async def _bind(self, writes: Sequence[Write]) -> list[Bound | Refused]:
        put, created = await self._session.prepared(statements.PUT), await self._session.prepared(statements.CREATED)
        now = int(time.time())
        bound: list[Bound | Refused] = []
        for write in writes:
            try:
                where = await self.where(write)
                life = life_of(write, now)
                made = put.bind((write.revision, life, *columns_of(write), life, *where))
                first = created.bind((-write.created_at, life, write.created_at, *where))
            except ENCODING as error:
                bound.append(Refused(unfit(write.event.key, error)))
            else:
                bound.append(Bound(write, (made, first)))
        return bound

    async def where(self, write: Write) -> tuple[str, str, int, str]:
        """The primary key. A namespace that was never written to is settled by its first write."""
        event = write.event
        if len(event.key.encode()) > LONGEST_KEY:  # the servers would say so when its event has been written perhaps
            raise ValueError(f"the key has more than {LONGEST_KEY} bytes")
        namespace = encoded(event.namespace)
        buckets = self._namespaces.known_buckets(event.tenant, namespace)
        if buckets is None:
            buckets = (await self._namespaces.ensure(event.tenant, event.namespace, NamespaceSettings())).buckets
        return event.tenant, namespace, bucket(event.key, buckets), event.key

    async def _send(self, batch: Sequence[Bound]) -> Sequence[Result]:
        if not batch:
            return []
        if len(batch) == 1 and _size(batch[0].write) > self._session.settings.batch_bytes:
            return [await self._outbox_first(batch[0])]
        result = await self._together(batch)
        if isinstance(result, Refused) and len(batch) > 1:
            return [await self._alone(each) for each in batch]
        return [result] * len(batch) if len(batch) > 1 else [await self._cut(batch[0], result)]

    async def _alone(self, write: Bound) -> Result:
        """One of a batch that the servers refused as a whole."""
        return await self._cut(write, await self._together([write]))

    async def _cut(self, write: Bound, result: Result) -> Result:
        """The servers may have a smaller limit for batches than we were told."""
        too_large = isinstance(result, Refused) and _TOO_LARGE in str(result.error).lower()
        return await self._outbox_first(write) if too_large else result

    async def _together(self, batch: Sequence[Bound]) -> Result:
        async def send(place: Place) -> None:
            logged = _batch(BatchType.LOGGED)
            for each in batch:
                for statement in each.statements:
                    logged.add(statement)
                logged.add(place.row(each.write.event))
            await self._session.execute(logged)

        return await self._attempt([each.write for each in batch], send)

    async def _outbox_first(self, write: Bound) -> Result:
        async def send(place: Place) -> None:
            await self._session.execute(place.row(write.write.event))
            document = _batch(BatchType.UNLOGGED)  # of one partition: one mutation, which no limit on batches concerns
            for statement in write.statements:
                document.add(statement)
            await self._session.execute(document)

        return await self._attempt([write.write], send)

    async def _attempt(self, writes: Sequence[Write], send: Callable[[Place], Any]) -> Result:
        try:
            place = await self._outbox.place()
        except SynclineError as error:
            return NothingDone(error)
        try:
            await send(place)
            if place.is_late() and not await self._outbox.append_again([write.event for write in writes]):
                return Unknown(f"it is stored, but {TOO_SLOW}")
        except ENCODING as error:
            return Refused(unfit(writes[0].event.key, error))
        except SynclineError as error:
            return _failed(error, writes[0])
        return _STORED


def _batch(kind: BatchType) -> BatchStatement:
    """It is sent where its first statement's row is: the driver takes its key, and must be told the table that tablets go by."""
    batch = BatchStatement(kind)
    batch.table = "documents"
    return batch


def _failed(error: SynclineError, write: Write) -> Result:
    cause = error.__cause__
    if cause is not None and is_invalid(cause):
        return Refused(unfit(write.event.key, cause))
    if isinstance(error, ConfigurationError) or (cause is not None and did_nothing(cause)):
        return NothingDone(error)
    return Unknown(str(error))


def _outcomes(results: Sequence[Result]) -> list[WriteOutcome]:
    failed = [result for result in results if isinstance(result, NothingDone)]
    if failed and len(failed) == len(results):
        raise failed[0].error
    return [Unknown(str(result.error)) if isinstance(result, NothingDone) else result for result in results]


def life_of(write: Write, now: int) -> int:
    """The TTL in seconds, 0 for none."""
    return write.ttl if write.ttl is not None and now + write.ttl <= _LAST_END else 0


def _size(write: Write) -> int:
    """About how many bytes it takes in a batch."""
    value, event = write.value or "", write.event
    names = len(event.tenant) + sum(map(len, event.namespace)) + len(event.key)
    return ROW_BYTES + (len(value) if value.isascii() else len(value.encode(errors="replace"))) + 12 * names


def columns_of(write: Write) -> tuple[Any, ...]:
    """Those of the statement, in its order."""
    event = write.event
    return (
        event.expires_at,
        write.updated_at,
        event.id,
        write.content_hash,
        write.index_spec,
        write.value,
        write.value is None,
    )
