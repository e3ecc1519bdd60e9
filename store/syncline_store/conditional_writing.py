"""Writing on a condition: look at the row, write if it is still the one that was looked at, and look again where it is not.

An attempt whose outcome is unknown is repeated as it is, against the same row: of all its repetitions one lands at most, since the row
that they expect is gone with the first. Nothing else may be tried before it is known what became of it.
"""

from dataclasses import replace
from typing import assert_never

from syncline_contracts.errors import ClockSkew, StorageUnavailable, WriteOutcomeUnknown
from syncline_contracts.revision import Clock
from syncline_store.conditional import Condition, Refused, Superseded, holds
from syncline_store.document import Document, Row, Write, living
from syncline_store.engines import protocol
from syncline_store.engines.protocol import ConditionalOutcome, Lost, Overtaken, Shadowed, Unknown, Won
from syncline_store.pauses import Pauses
from syncline_store.writing import FIRST_PAUSE, LONGEST_PAUSE, Draft, Writer


class ConditionalWriter:
    """Writes drafts on a condition. `deadline`: seconds that one write may take."""

    def __init__(self, documents: protocol.Documents, writer: Writer, clock: Clock, deadline: float) -> None:
        self._documents = documents
        self._writer = writer
        self._clock = clock
        self._deadline = deadline

    async def write(self, draft: Draft, condition: Condition) -> Write | Refused | Superseded:
        """The write as it landed, or what is there. Durable on return, its event included.

        Raises WriteOutcomeUnknown; StorageUnavailable, ClockSkew and InvalidDocument where certainly nothing was written.
        """
        pauses = Pauses(FIRST_PAUSE, LONGEST_PAUSE, self._deadline)
        while holds(condition, row := await self._read(draft), self._clock.now()):
            (write,) = await self._writer.prepare([draft])
            outcome = await self._resolved(write, row, pauses)
            match outcome:
                case Won(there):
                    return self._landed(write, there)
                case Overtaken(there):
                    return Superseded(self._document(there))
                case protocol.Refused(error):
                    raise error
                case Lost():
                    problem: StorageUnavailable | ClockSkew = StorageUnavailable(f"{draft.ref} is written by too many at once: try again")
                case Shadowed(told):
                    problem = ClockSkew(f"{told}: synchronise the clocks (NTP), then try again")
                case _:
                    assert_never(outcome)
            if not await pauses.pause():
                raise problem
        return Refused(self._document(row))

    async def _resolved(self, write: Write, expected: Row | None, pauses: Pauses) -> Won | Lost | Overtaken | Shadowed | protocol.Refused:
        """Repeat it until its outcome is known. Once an attempt is in doubt, Lost may mean that it had landed and was replaced."""
        doubt: str | None = None
        while True:
            outcome = await self._attempt(write, expected, in_doubt=doubt is not None)
            if doubt is None and not isinstance(outcome, Unknown):
                return outcome
            if isinstance(outcome, Won | Overtaken):
                return outcome
            if isinstance(outcome, Unknown):
                doubt = outcome.problem
            if isinstance(outcome, Lost | protocol.Refused) or not await pauses.pause():
                told = f"{doubt}; a conditional write is not to be repeated before looking at what is there"
                raise WriteOutcomeUnknown(write.ref, write.revision, told)

    async def _attempt(self, write: Write, expected: Row | None, *, in_doubt: bool) -> ConditionalOutcome:
        try:
            return await self._documents.write_if(write, expected)
        except StorageUnavailable as error:  # nothing of this attempt landed, which says nothing of those before
            if not in_doubt:
                raise
            return Unknown(str(error))

    async def _read(self, draft: Draft) -> Row | None:
        """What this process writes from now on is later than what it saw. Raises ClockSkew for a row too far ahead to be replaced."""
        (row,) = await self._documents.read_serial([draft.ref])
        if row is not None:
            self._clock.observe(row.revision)
        return row

    def _landed(self, write: Write, row: Row) -> Write:
        self._clock.follow(row.revision)
        event = write.event.model_copy(update={"revision": row.revision, "expires_at": row.expires_at})
        return replace(write, event=event)

    def _document(self, row: Row | None) -> Document | None:
        there = living(row, self._clock.now())
        return None if there is None else Document.of(there)
