"""Writing: a document's new state and its event are made once, and land together in a group with others.

A write whose outcome is unknown is repeated as it is: same revision, same event id (architecture, invariant 2).
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from syncline_contracts.errors import WriteOutcomeUnknown
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Namespace, Ref
from syncline_contracts.revision import NEVER, Clock
from syncline_store import tracing
from syncline_store.directory import Directory
from syncline_store.document import INDEX_AS_NAMESPACE, Write, content_hash
from syncline_store.engines.protocol import Engine, NamespaceSettings, Refused, Stored, Unknown, WriteOutcome
from syncline_store.group_commit import GroupCommit
from syncline_store.limits import finite
from syncline_store.pauses import Pauses
from syncline_store.settings import StoreSettings
from syncline_store.skew import ClockWatch

_log = logging.getLogger(__name__)

ROW_BYTES = 400
"""About what a row and its outbox row weigh beside the value."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Seconds between two attempts of a write whose outcome is unknown."""
AHEAD = 1_000_000
"""µs that revisions may run ahead of the clock before writers are slowed down to its pace; at 5 s the clock would refuse."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be written, checked; `value` is canonical text, None deletes.

    `ttl` is whole seconds; None is the namespace's default, infinity for ever.
    """

    ref: Ref
    value: str | None
    index_spec: str = INDEX_AS_NAMESPACE
    ttl: float | None = None


class Writer:
    """Writes drafts. Its group commit is shared by all tenants of a store."""

    def __init__(self, engine: Engine, directory: Directory, clock: Clock, settings: StoreSettings) -> None:
        self._clock = clock
        self._watch = ClockWatch(engine, clock)
        self._last = 0
        self._grace = int(settings.tombstone_grace)
        self._deadline = settings.write_deadline
        self.directory = directory
        grouping = engine.documents.grouping
        self._commits: GroupCommit[Write, WriteOutcome] = GroupCommit(
            engine.documents.write,
            max_items=min(settings.group_commit.max_items, grouping.items),
            max_bytes=settings.group_commit.max_bytes,
            size_of=lambda write: ROW_BYTES + len(write.value or ""),
            at_once=grouping.at_once,
        )

    async def prepare(self, drafts: Sequence[Draft]) -> list[Write]:
        """Draw the revisions, in the order given: of two drafts for one document the later wins. Raises StorageUnavailable, ClockSkew."""
        self._watch.check()
        places = {(draft.ref.tenant, draft.ref.namespace) for draft in drafts}
        defaults = {place: (await self.directory.ensure(*place)).ttl for place in places}
        await self._keep_pace()
        return [self._made(draft, _life(draft, defaults[draft.ref.tenant, draft.ref.namespace])) for draft in drafts]

    async def land(self, write: Write) -> ChangeEvent:
        """Returns once document and event are durable. Raises WriteOutcomeUnknown, StorageUnavailable, or why it was refused."""
        pauses = Pauses(FIRST_PAUSE, LONGEST_PAUSE, self._deadline)
        while True:
            outcome = await self._commits.submit(write)
            match outcome:
                case Stored():
                    return write.event
                case Refused(error):
                    raise error
                case Unknown(problem):
                    if not await pauses.pause():
                        raise WriteOutcomeUnknown(write.ref, write.revision, problem)
                case _:
                    assert_never(outcome)

    async def write(self, draft: Draft) -> ChangeEvent:
        """Both steps for one document."""
        (write,) = await self.prepare([draft])
        return await self.land(write)

    async def configure(self, tenant: str, namespace: Namespace, wanted: NamespaceSettings) -> NamespaceSettings:
        """The namespace's settings: these, unless it has others already, which is logged."""
        found = await self.directory.ensure(tenant, namespace, wanted)
        if found != wanted:
            _log.warning("the namespace %s keeps the settings of its first writer, %s, not %s", namespace, found, wanted)
        return found

    async def aclose(self) -> None:
        """Finish what was submitted."""
        await self._watch.aclose()
        await self._commits.aclose()

    async def _keep_pace(self) -> None:
        """One process draws 15,625 revisions a second; who writes faster than that for long waits for the clock here."""
        ahead = self._last - self._clock.now()
        if ahead > AHEAD:
            await asyncio.sleep((ahead - AHEAD) / 1e6)

    def _made(self, draft: Draft, life: int | None) -> Write:
        """A tombstone has no expires_at: the storage removes its row after the grace, and the index knows when on its own.

        A life counts from updated_at, not from the revision: a conditional write's is the server's to say.
        """
        self._last = revision = self._clock.tick()
        now, trace = self._clock.now(), tracing.traceparent()
        expires = NEVER if life is None else now + life * 1_000_000
        event = ChangeEvent.of(draft.ref, revision, Kind.WRITE, first_at=now, expires_at=expires, traceparent=trace)
        stored = self._grace if draft.value is None else life
        return Write(draft.value, content_hash(draft.value), draft.index_spec, event, stored)


def _life(draft: Draft, default: int | None) -> int | None:
    """Seconds, None for ever."""
    if draft.value is None:
        return None
    return default if draft.ttl is None else finite(draft.ttl)
