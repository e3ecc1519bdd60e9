"""One round of the handler's steps for the documents of a batch: look, defer, embed, write, settle (docs/protocol.md)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from syncline_contracts.errors import DocumentRefused
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Outbox
from syncline_store.index.changes import Removal
from syncline_store.indexing.deadline import Deadline
from syncline_store.indexing.decide import Case, Defer, Embed, Gone, Refresh, Remove, Skip
from syncline_store.indexing.defer import due, over
from syncline_store.indexing.isolate import Poison, spared
from syncline_store.indexing.look import Decided, Look, Open
from syncline_store.indexing.outcome import Deferred, Done, Handled, Outcome
from syncline_store.indexing.plan import Planned
from syncline_store.indexing.planner import Planner
from syncline_store.indexing.settle import Again, Clear, Settled, settle
from syncline_store.indexing.sizing import Sizing
from syncline_store.indexing.write import Writer

MAX_PASSAGES = 2048
"""Passages that one round embeds and holds in memory; documents beyond it wait for the next one, and are read again."""
MAX_LOOKS = 5
"""How often settle clears what lingers before it has everything looked at anew."""


@dataclass(slots=True)
class Result:
    """What a round came to: outcomes, refusals, and the documents that go into the next round."""

    outcomes: list[Outcome] = field(default_factory=list)
    poisons: list[Poison[Case]] = field(default_factory=list)
    left: list[Open] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Round:
    """The steps, in their order."""

    look: Look
    sizing: Sizing
    outbox: Outbox
    planner: Planner
    writer: Writer
    clock: Clock

    async def run(self, waiting: Sequence[Open], deadline: Deadline) -> Result:
        """Bring these documents in step as far as one round can. Raises Unavailable: then nothing may be acknowledged."""
        result = Result()
        decided = await self.look.decide(await self.look.cases(waiting))
        self.sizing.weigh(decided)
        decided = _within(decided, result)
        await self._defer(decided, result)
        planned = await self._plan(decided, result)
        refused = await self.writer.write(planned, deadline)
        result.poisons += [Poison(poison.item.case, poison.error, poison.attempts) for poison in refused]
        await self._settle(spared(planned, refused), result, deadline)
        return result

    async def _defer(self, decided: Sequence[Decided], result: Result) -> None:
        deferred = [(each.case.work.ref, each.verdict.events) for each in decided if isinstance(each.verdict, Defer)]
        now, lateness = self.clock.now(), self.look.documents.lateness
        for ended in (False, True):
            group = [(ref, events) for ref, events in deferred if over(events, now) is ended]
            if group:
                events = [event for _, some in group for event in some]
                again = due(events, now, lateness)
                await self.outbox.append(events, again)
                result.outcomes += [Deferred(ref, again) for ref, _ in group]

    async def _plan(self, decided: Sequence[Decided], result: Result) -> list[Planned]:
        wanted = [(each.case, each.verdict) for each in decided if isinstance(each.verdict, Embed)]
        vectors, refused = await self.writer.embed(wanted)
        result.poisons += [Poison(poison.item[0], poison.error, poison.attempts) for poison in refused]
        planned = []
        for each in decided:
            if isinstance(each.verdict, DocumentRefused):
                result.poisons.append(Poison(each.case, each.verdict, 1))
            elif isinstance(each.verdict, Embed):
                if (found := vectors.get(each.case.work.ref)) is not None:
                    planned.append(self.planner.plan(each.case, each.verdict, found))
            elif not isinstance(each.verdict, Defer):
                planned.append(self.planner.plan(each.case, each.verdict))
        return planned

    async def _settle(self, planned: Sequence[Planned], result: Result, deadline: Deadline) -> None:
        """After every outcome, skipping included (H1, H2, H5, H6, H16): who is not settled in the end goes into the next round."""
        for _ in range(MAX_LOOKS):
            planned, removals = await self._look_back(planned, result)
            if not planned:
                return
            deadline.check()
            await self.look.index.remove(removals)
        result.left += [Open(plan.case.work, plan.case.tries + 1) for plan in planned]

    async def _look_back(self, planned: Sequence[Planned], result: Result) -> tuple[list[Planned], list[Removal]]:
        """Which documents have passages to be cleared, and how; the others' ends are in the result."""
        points = await self.look.index.points([plan.case.work.document for plan in planned]) if planned else {}
        now = self.clock.now()
        unclear, removals = [], []
        for plan in planned:
            found = settle(plan.case.source, points[plan.case.work.document], now)
            if isinstance(found, Settled):
                result.outcomes.append(_outcome(plan))
            elif isinstance(found, Again):
                result.left.append(Open(plan.case.work, plan.case.tries + 1))
            elif isinstance(found, Clear):
                unclear.append(plan)
                removals.append(Removal(plan.case.work.document, 1, found.below))
            else:
                assert_never(found)
        return unclear, removals


def _within(decided: Sequence[Decided], result: Result) -> list[Decided]:
    """As many documents as have MAX_PASSAGES together, at least one; the others are left."""
    kept, passages = [], 0
    for each in decided:
        more = len(each.verdict.content.passages) if isinstance(each.verdict, Embed) else 0
        if more and passages and passages + more > MAX_PASSAGES:
            result.left.append(Open(each.case.work, each.case.tries))
        else:
            kept.append(each)
            passages += more
    return kept


def _outcome(plan: Planned) -> Handled:
    ref, verdict = plan.case.work.ref, plan.verdict
    if isinstance(verdict, Skip):
        return Handled(ref, verdict.revision, Done.SKIPPED)
    if isinstance(verdict, Refresh):
        return Handled(ref, verdict.row.revision, Done.REFRESHED)
    if isinstance(verdict, Embed):
        return Handled(ref, verdict.row.revision, Done.EMBEDDED)
    if isinstance(verdict, Remove):
        return Handled(ref, verdict.row.revision, Done.REMOVED)
    if isinstance(verdict, Gone):
        return Handled(ref, verdict.revision, Done.REMOVED)
    if isinstance(verdict, Defer):
        raise TypeError("a deferred document is not settled")
    assert_never(verdict)
