"""Conditional writes of documents: an intent, the write, and a serial read that tells what became of it (docs/protocol.md).

The intent is an outbox row that names the write_id to be replaced. Should this process die, a handler reads serially for it, and
defers it for as long as that write_id is there. The answer to a conditional write does not count for itself: it may be lost, and it
says "applied" of a write that a later timestamp shadows.
"""

import logging
import time
from collections.abc import Sequence

from cassandra.query import BoundStatement

from syncline_contracts.errors import ConfigurationError, StorageUnavailable, SynclineError
from syncline_contracts.event import Kind
from syncline_contracts.identity import Ref
from syncline_store.document import Row, Write
from syncline_store.engines.columns import encoded
from syncline_store.engines.cql.errors import did_nothing, is_invalid, unfit
from syncline_store.engines.cql.namespaces import CqlNamespaces
from syncline_store.engines.cql.outbox import CqlOutbox
from syncline_store.engines.cql.partition import LONGEST_KEY, bucket
from syncline_store.engines.cql.rows import row_of
from syncline_store.engines.cql.session import CqlSession
from syncline_store.engines.cql.statements import conditional as statements
from syncline_store.engines.cql.statements import documents as plain
from syncline_store.engines.cql.writing import ENCODING, Writing, columns_of, life_of
from syncline_store.engines.protocol import ConditionalOutcome, Lost, Overtaken, Refused, Shadowed, Unknown, Won
from syncline_store.together import together

WITHIN = 60.0
"""Seconds from the intent to the sending of its write: a process that stood still longer does not send it. The handler gives up waiting
for it after ten minutes (`INTENT_LIFE`)."""
_TOO_LATE = "this process stood still in the middle of a conditional write, which was given up: try again"

Landed = bool | Unknown
"""What the answer to a conditional write says of it; Unknown: no answer came."""

_log = logging.getLogger(__name__)


class Conditional:
    """One attempt at a time; who repeats it is the caller's to say."""

    def __init__(self, session: CqlSession, namespaces: CqlNamespaces, outbox: CqlOutbox, writing: Writing) -> None:
        self._session = session
        self._namespaces = namespaces
        self._outbox = outbox
        self._writing = writing

    async def read(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        """Serial reads, each of which finishes a conditional write that it finds under way."""
        return await together(self._read(ref) for ref in refs)

    async def write(self, write: Write, expected: Row | None) -> ConditionalOutcome:
        """Write if `expected` is there. Raises StorageUnavailable or ConfigurationError where certainly nothing landed."""
        try:
            bound = await self._bound(write, expected)
        except ENCODING as error:
            return Refused(unfit(write.event.key, error))
        began = time.monotonic()
        await self._intend(write, expected)
        if time.monotonic() - began > WITHIN:
            raise StorageUnavailable(f"{self._session.settings.name}: {_TOO_LATE}")
        sent = time.monotonic()
        landed = await self._send(write, bound)
        if isinstance(landed, Refused):
            return landed
        try:
            row = await self._read(write.ref)
        except StorageUnavailable as error:
            if landed is False:
                raise
            return Unknown(str(error))
        outcome = _told(write, expected, landed, row, ended=_ended(write, time.monotonic() - sent))
        return await self._settled(write, outcome, began) if isinstance(outcome, Won) else outcome

    async def _bound(self, write: Write, expected: Row | None) -> BoundStatement:
        where, life = await self._writing.where(write), life_of(write, int(time.time()))
        values = (life, *columns_of(write), life, *where)
        if expected is None:
            return (await self._session.prepared(statements.CREATE)).bind(values)
        return (await self._session.prepared(statements.REPLACE)).bind((*values, expected.write_id))

    async def _intend(self, write: Write, expected: Row | None) -> None:
        """The first outbox row. Its revision is no state's: the row's that is expected."""
        revision, expects = (0, None) if expected is None else (expected.revision, expected.write_id)
        await self._outbox.append([write.event.model_copy(update={"kind": Kind.INTENT, "revision": revision, "expects": expects})])

    async def _send(self, write: Write, bound: BoundStatement) -> Landed | Refused:
        """Whether it landed, as far as its answer tells. A row that was not replaced is shown: it may be ours, by an earlier attempt."""
        try:
            ((applied, *found),) = await self._session.execute(bound)
        except SynclineError as error:
            return _failed(error, write)
        return bool(applied) or bool(found and found[0] == write.event.id)

    async def _settled(self, write: Write, won: Won, began: float) -> ConditionalOutcome:
        """The second outbox row, which spares the relay the intent's grace, and the time of creation, unless an earlier one is there.

        Without them the intent will do, and the time of the update, unless the intent has become too old to be waited for.
        """
        row = won.row
        event = write.event.model_copy(update={"kind": Kind.SETTLED, "revision": row.revision, "expires_at": row.expires_at})
        try:
            await together([self._outbox.append([event]), self._created(write)])
        except SynclineError as error:
            if time.monotonic() - began > WITHIN:
                return Unknown(f"it is stored, but its event may come too late: {error}")
            _log.warning("a conditional write of %s is stored, its intent is left to the relay: %s", write.ref, error)
        return won

    async def _created(self, write: Write) -> None:
        where, life = await self._writing.where(write), life_of(write, int(time.time()))
        await self._session.run(plain.CREATED, -write.event.first_at, life, write.event.first_at, *where)

    async def _read(self, ref: Ref) -> Row | None:
        namespace = encoded(ref.namespace)
        buckets = self._namespaces.known_buckets(ref.tenant, namespace) or await self._namespaces.buckets(ref.tenant, namespace)
        if buckets is None or len(ref.key.encode()) > LONGEST_KEY:
            return None
        rows = await self._session.run(statements.READ, ref.tenant, namespace, bucket(ref.key, buckets), [ref.key])
        return row_of(ref, rows[0]) if rows else None


def _failed(error: SynclineError, write: Write) -> Unknown | Refused:
    """Raises it where it did nothing."""
    cause = error.__cause__
    if cause is not None and is_invalid(cause):
        return Refused(unfit(write.event.key, cause))
    if isinstance(error, ConfigurationError) or (cause is not None and did_nothing(cause)):
        raise error
    return Unknown(str(error))


def _ended(write: Write, seconds: float) -> bool:
    """What was written so long ago may have expired since."""
    return write.ttl is not None and seconds + 1 >= write.ttl


def _told(write: Write, expected: Row | None, landed: Landed, row: Row | None, *, ended: bool) -> ConditionalOutcome:
    """What the write's answer (Unknown: lost) and the row that was read back come to."""
    if row is not None and row.write_id == write.event.id:
        return Won(row)
    if isinstance(landed, Unknown):
        return landed
    if not landed:
        return Lost(row)
    if (row and row.write_id) != (expected and expected.write_id) or (row is None and ended):
        return Overtaken(row)
    return Shadowed(f"the row of {write.ref} was written by a clock that is ahead of the servers'")
