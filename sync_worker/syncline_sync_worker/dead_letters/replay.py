"""List, show, replay and discard dead letters. Each gives values; the command line shows them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

from syncline_contracts import codec
from syncline_contracts.audit import Action
from syncline_contracts.dead_letter import Closed, DeadLetter, Reason
from syncline_contracts.errors import UndecodableEvent
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.revision import now_us
from syncline_store.engines.protocol import Engine, Page
from syncline_store.together import together
from syncline_sync_worker.auditing import CUT_SHORT, DONE, IN_PART, Entry, audited
from syncline_sync_worker.dead_letters.choosing import EVERY, NO_IDS, Ids, LetterFilter, Summary, Which
from syncline_sync_worker.dead_letters.pace import BATCH, Pace

RECORDED = 20
"""Ids that an audit record names."""

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did: letters that went back into the outbox, letters that are still no event, ids without an open letter."""

    events: Ids = NO_IDS
    undecodable: Ids = NO_IDS
    unknown: Ids = NO_IDS
    stopped: bool = False

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(
            self.events + other.events, self.undecodable + other.undecodable, self.unknown + other.unknown, self.stopped or other.stopped
        )


@dataclass(frozen=True, slots=True)
class _Batch:
    """Open letters, oldest first where a filter chose them, and ids that none has."""

    letters: Sequence[DeadLetter]
    unknown: Sequence[uuid.UUID] = field(default=())


class DeadLetterDesk:
    """An operator's view of the dead letters. Each replay and each discarding leaves one audit record, with who did it.

    A replay re-enters as an ordinary outbox event of kind `repair`: the handler re-reads the source and compares every
    point. The letter of a document stays open until the indexer has handled it, which resolves it; when it fails again, the
    same letter counts one attempt more. So a replay that dies half way, or is done twice, loses nothing.
    """

    def __init__(self, engine: Engine, *, who: str | None = None, now: Callable[[], int] = now_us) -> None:
        self._engine = engine
        self._letters = engine.dead_letters
        self._who = who
        self._now = now

    # ------------------------------------------------------------------ looking

    async def list(self, after: str | None = None, limit: int = 50, *, closed: bool = False) -> Page[DeadLetter]:
        """Open letters, oldest first; with `closed`, all of them."""
        return await self._letters.scan(after, limit, closed=closed)

    async def show(self, letter: uuid.UUID) -> DeadLetter | None:
        """One letter, closed or not."""
        return await self._letters.get(letter)

    async def reasons(self, letter: uuid.UUID) -> Sequence[Reason]:
        """Why it failed, newest first."""
        return await self._letters.reasons(letter)

    async def letters(self, which: LetterFilter = EVERY, *, closed: bool = False, page: int = BATCH) -> AsyncIterator[DeadLetter]:
        """All that the filter lets through, oldest first; one page of them is held at a time."""
        after: str | None = None
        while True:
            found = await self._letters.scan(after, page, closed=closed)
            for letter in found.items:
                if which.ends_before(letter):
                    return
                if which.matches(letter):
                    yield letter
            if (after := found.after) is None:
                return

    async def summary(self, which: LetterFilter = EVERY, *, closed: bool = False, most: int | None = None) -> Summary:
        """How many, by the error's class, and the oldest; counted up to `most` of them."""
        summary = Summary()
        async for letter in self.letters(which, closed=closed):
            summary.add(letter)
            if summary.count == most:
                break
        return summary

    async def oldest(self) -> int | None:
        """When the document of the oldest open letter first failed, µs since 1970."""
        async for letter in self.letters(page=1):
            return letter.first_at
        return None

    # ------------------------------------------------------------------ acting

    async def would_replay(self, which: Which) -> Replayed:
        """What `replay` would do now. Changes nothing."""
        total = Replayed()
        async for batch in self._batches(which, BATCH):
            events = {letter.id: _event(letter) for letter in batch.letters}
            total += _told(events) + Replayed(unknown=Ids.of(batch.unknown))
        return total

    async def replay(
        self, which: Which, *, pace: Pace | None = None, stop: asyncio.Event | None = None, advance: Advance | None = None
    ) -> Replayed:
        """Send letters through again, at this pace; the stop ends it after the batch under way.

        Raises StorageUnavailable; repeat it then: an event that comes twice does no harm.
        """
        pace, stop = pace or Pace(), stop or asyncio.Event()
        async with audited(self._engine.audit, Action.REPLAY, self._who) as entry:
            total = Replayed()
            async for batch in self._batches(which, pace.batch):
                total += await self._replay(batch.letters) + Replayed(unknown=Ids.of(batch.unknown))
                _tell(entry, which, batch, total.events, undecodable=total.undecodable.count)
                if advance is not None:
                    advance(len(batch.letters))
                if await pace.keep(len(batch.letters), stop):
                    total = replace(total, stopped=True)
                    break
            if total.events.count:
                entry.outcome = CUT_SHORT if total.stopped else IN_PART if total.undecodable.count or total.unknown.count else DONE
        return total

    async def replay_all(self) -> Replayed:
        """Replay every letter that is open now."""
        return await self.replay(EVERY)

    async def failed_since(self, which: Which, since: int) -> Ids:
        """Those of them whose document failed again since then (µs), for whatever reason this time."""
        again = NO_IDS
        async for batch in self._batches(replace(which, error=None) if isinstance(which, LetterFilter) else which, BATCH):
            again += Ids.of(letter.id for letter in batch.letters if letter.last_at >= since and letter.first_at < since)
        return again

    async def discard(
        self, which: Which, note: str | None = None, *, stop: asyncio.Event | None = None, advance: Advance | None = None
    ) -> int:
        """Close them for good, with the reason; how many were open."""
        async with audited(self._engine.audit, Action.DISCARD, self._who) as entry:
            discarded = NO_IDS
            async for batch in self._batches(which, BATCH):
                ids = [letter.id for letter in batch.letters]
                closed = await self._letters.close(ids, Closed.DISCARDED, note)
                discarded += Ids(closed, tuple(ids))
                _tell(entry, which, batch, discarded, note=note)
                if advance is not None:
                    advance(len(ids))
                if stop is not None and stop.is_set():
                    break
            if discarded.count:
                entry.outcome = CUT_SHORT if stop is not None and stop.is_set() else DONE
        return discarded.count

    async def _replay(self, letters: Sequence[DeadLetter]) -> Replayed:
        events = {letter.id: _event(letter) for letter in letters}
        ready = [event for event in events.values() if event is not None]
        if ready:
            await self._engine.outbox.append(ready)
        # Only now: bytes that are an event by now have no document's letter that handling could resolve.
        decoded = [letter.id for letter in letters if letter.document is None and events[letter.id] is not None]
        if decoded:
            await self._letters.close(decoded, Closed.REPLAYED)
        return _told(events)

    async def _batches(self, which: Which, size: int) -> AsyncIterator[_Batch]:
        if not isinstance(which, LetterFilter):
            for begin in range(0, len(which), size):
                yield await self._named(which[begin : begin + size])
            return
        waiting: list[DeadLetter] = []
        async for letter in self.letters(which.as_of(self._now()), page=size):
            waiting.append(letter)
            if len(waiting) == size:
                yield _Batch(waiting)
                waiting = []
        if waiting:
            yield _Batch(waiting)

    async def _named(self, ids: Sequence[uuid.UUID]) -> _Batch:
        ids = list(dict.fromkeys(ids))
        found = await together(self._letters.get(letter) for letter in ids)
        letters = [letter for letter in found if letter is not None and letter.closed is None]
        return _Batch(letters, [name for name in ids if name not in {letter.id for letter in letters}])


def _told(events: dict[uuid.UUID, ChangeEvent | None]) -> Replayed:
    return Replayed(
        events=Ids.of(name for name, event in events.items() if event is not None),
        undecodable=Ids.of(name for name, event in events.items() if event is None),
    )


def _tell(entry: Entry, which: Which, batch: _Batch, done: Ids, **more: object) -> None:
    """As far as it has come: a record is written, too, of what fails or is cut short."""
    entry.details = {"letters": done.count, "first_ids": [letter.hex for letter in done.first[:RECORDED]], **more}
    if isinstance(which, LetterFilter):
        entry.details["filter"] = which.said
        entry.tenant = which.tenant
    elif len(which) == 1 and batch.letters:
        entry.ref = batch.letters[0].ref


def _event(letter: DeadLetter) -> ChangeEvent | None:
    """The event that brings the letter's document back, with a new id; None for bytes that are still no event."""
    try:
        was = codec.decode(letter.payload, letter.headers)
    except UndecodableEvent:
        return None
    return ChangeEvent.of(was.ref, was.revision, Kind.REPAIR, first_at=was.first_at, expires_at=was.expires_at)
