"""List, show, replay and discard dead letters. Each gives values; the command line shows them."""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from syncline_contracts import codec
from syncline_contracts.dead_letter import Closed, DeadLetter
from syncline_contracts.errors import UndecodableEvent
from syncline_contracts.event import ChangeEvent, Kind
from syncline_store.engines.protocol import Engine, Page

PAGE = 256


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did: letters that went back into the outbox, letters that are still no event, ids without an open letter."""

    events: tuple[uuid.UUID, ...] = ()
    undecodable: tuple[uuid.UUID, ...] = ()
    unknown: tuple[uuid.UUID, ...] = ()

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(self.events + other.events, self.undecodable + other.undecodable, self.unknown + other.unknown)


class DeadLetterDesk:
    """An operator's view of the dead letters.

    A replay re-enters as an ordinary outbox event of kind `repair`: the handler re-reads the source and compares every
    point. The letter of a document stays open until the indexer has handled it, which resolves it; when it fails again, the
    same letter counts one attempt more. So a replay that dies half way, or is done twice, loses nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._letters = engine.dead_letters

    async def list(self, after: str | None = None, limit: int = 50, *, closed: bool = False) -> Page[DeadLetter]:
        """Open letters, oldest first; with `closed`, all of them."""
        return await self._letters.scan(after, limit, closed=closed)

    async def show(self, letter: uuid.UUID) -> DeadLetter | None:
        """One letter, closed or not."""
        return await self._letters.get(letter)

    async def replay(self, letters: Sequence[uuid.UUID]) -> Replayed:
        """Replay these. Raises StorageUnavailable; repeat it then."""
        found = {letter: await self._letters.get(letter) for letter in letters}
        unknown = tuple(name for name, letter in found.items() if letter is None or letter.closed is not None)
        replayed = await self._replay([letter for letter in found.values() if letter is not None and letter.closed is None])
        return replayed + Replayed(unknown=unknown)

    async def replay_all(self) -> Replayed:
        """Replay every letter that is open now."""
        total = Replayed()
        async for letters in self._open():
            total += await self._replay(letters)
        return total

    async def discard(self, letters: Sequence[uuid.UUID], note: str | None = None) -> int:
        """Close these for good, with the reason; how many were open."""
        return await self._letters.close(letters, Closed.DISCARDED, note)

    async def _replay(self, letters: Sequence[DeadLetter]) -> Replayed:
        events = {letter.id: _event(letter) for letter in letters}
        ready = [event for event in events.values() if event is not None]
        if ready:
            await self._engine.outbox.append(ready)
        # Only now: bytes that are an event by now have no document's letter that handling could resolve.
        decoded = [letter.id for letter in letters if letter.document is None and events[letter.id] is not None]
        if decoded:
            await self._letters.close(decoded, Closed.REPLAYED)
        return Replayed(
            events=tuple(name for name, event in events.items() if event is not None),
            undecodable=tuple(name for name, event in events.items() if event is None),
        )

    async def _open(self) -> AsyncIterator[Sequence[DeadLetter]]:
        after: str | None = None
        while True:
            page = await self._letters.scan(after, PAGE)
            if page.items:
                yield page.items
            if (after := page.after) is None:
                return


def _event(letter: DeadLetter) -> ChangeEvent | None:
    """The event that brings the letter's document back, with a new id; None for bytes that are still no event."""
    try:
        was = codec.decode(letter.payload, letter.headers)
    except UndecodableEvent:
        return None
    return ChangeEvent.of(was.ref, was.revision, Kind.REPAIR, first_at=was.first_at, expires_at=was.expires_at)
