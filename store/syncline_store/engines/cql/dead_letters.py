"""The dead letters: a row each, changed by conditional writes alone, and which of them is open for a document."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from cassandra.query import UNSET_VALUE

from syncline_contracts.dead_letter import REASONS, Closed, DeadLetter, Reason
from syncline_contracts.errors import StorageUnavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.columns import decoded, encoded
from syncline_store.engines.cql.dialects import IN_VALUES
from syncline_store.engines.cql.session import CqlSession, Statement
from syncline_store.engines.cql.statements import dead_letters as statements
from syncline_store.engines.cursor import decode_cursor, encode_cursor, foreign_cursor
from syncline_store.engines.protocol import Page
from syncline_store.together import together

_OPEN, _ALL = 0, 1
_TRIES = 20
_NAMES = [name.strip() for name in statements.COLUMNS.split(",")]


class CqlDeadLetters:
    """Letters, open and closed. Closed ones end `closed_life` seconds later, by the servers' clock."""

    def __init__(self, session: CqlSession, clock: Clock, *, closed_life: int) -> None:
        self._session = session
        self._clock = clock
        self._closed_life = closed_life

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        """Durable on return. In turn, as letters of one document must be."""
        for letter in letters:
            await self._add(letter)

    async def get(self, letter: uuid.UUID) -> DeadLetter | None:
        """One letter, closed ones included."""
        found = await self._session.run(statements.GET, letter)
        return _letter(found[0]) if found else None

    async def scan(self, after: str | None, limit: int, *, closed: bool = False) -> Page[DeadLetter]:
        """A page, oldest first. Raises InvalidQuery for a cursor that is not this listing's."""
        part = _ALL if closed else _OPEN
        behind = None if after is None else _place(after)
        places = await self._places(part, behind, limit) if limit else []
        found = await together(self.get(identifier) for _, identifier in places)
        if not closed:  # whoever closed it died before it could be taken off the list
            await together(self._forget(letter, letter.closed) for letter in found if letter is not None and letter.closed is not None)
        more = encode_cursor(places[-1][0], places[-1][1].hex) if limit and len(places) == limit else None
        return Page([letter for letter in found if letter is not None and (closed or letter.closed is None)], more)

    async def close(self, letters: Sequence[uuid.UUID], why: Closed, note: str | None = None) -> int:
        """Close those that are open; how many were."""
        closed = [await self._close(letter, why, note, None) for letter in dict.fromkeys(letters)]
        return sum(closed)

    async def resolve(self, versions: Mapping[uuid.UUID, int]) -> int:
        """Close what a document's revision made good. Where there are no letters it costs one read for 100 documents."""
        documents = list(versions)
        chunks = [documents[at : at + IN_VALUES] for at in range(0, len(documents), IN_VALUES)]
        found = await together(self._session.run(statements.OF_DOCUMENTS, chunk) for chunk in chunks)
        closed = [await self._close(letter, Closed.RESOLVED, None, versions) for part in found for (letter,) in part]
        return sum(closed)

    async def reasons(self, letter: uuid.UUID) -> Sequence[Reason]:
        """Newest first. They are remembered as long as audit records are."""
        found = await self._session.run(statements.REASONS, letter, REASONS)
        return [
            Reason(at=at, revision=revision, error=error, message=message, attempts=tries) for at, revision, error, message, tries in found
        ]

    async def _add(self, letter: DeadLetter) -> None:
        for _ in range(_TRIES):
            if await self.get(letter.id) is not None:
                return
            holder = letter.id if letter.document is None else await self._claim(letter.document, letter.id)
            there = None if holder == letter.id else await self.get(holder)
            if there is not None and _is_given_up(there, letter.revision):
                return
            if await (self._insert(letter) if holder == letter.id else self._joined(there, holder, letter)):
                await self._remember(holder, letter.reason)
                return
        raise StorageUnavailable(f"{self._session.settings.name}: others keep changing the dead letter of {letter.ref}: try again")

    async def _remember(self, letter: uuid.UUID, reason: Reason) -> None:
        revision = UNSET_VALUE if reason.revision is None else reason.revision
        life = self._session.settings.audit_life
        await self._session.run(statements.REMEMBER, letter, reason.at, revision, reason.error, reason.message, reason.attempts, life)

    async def _claim(self, document: uuid.UUID, letter: uuid.UUID) -> uuid.UUID:
        """Whose letter is the document's open one: ours, or the one that was there."""
        applied, *row = (await self._session.run(statements.CLAIM, document, letter))[0]
        if applied:
            return letter
        holder: uuid.UUID = row[-1]
        return holder

    async def _joined(self, there: DeadLetter | None, holder: uuid.UUID, letter: DeadLetter) -> bool:
        """Add to the document's open letter; one that was closed makes room. False: look again."""
        if there is None:  # its process died between claiming and writing, or is about to write: whoever comes first writes it
            # or it was closed and has ended: its claim, soon to end as well, must last for an open letter
            kept = await self._applied(statements.CLAIM_AFTER, holder, letter.document, holder)
            return kept and await self._insert(letter.model_copy(update={"id": holder}))
        if there.closed is not None:
            await self._session.run(statements.CLAIM_AFTER, letter.id, letter.document, holder)
            return False
        merged = _columns(letter)
        values = [merged[name] for name in ("revision", "payload", "headers", "source", "error", "message")]
        return await self._applied(statements.MERGE, *values, there.attempts + letter.attempts, letter.last_at, holder, there.attempts)

    async def _insert(self, letter: DeadLetter) -> bool:
        """Its places in the listings first: a place without a letter is passed over."""
        for part in (_OPEN, _ALL):
            await self._session.run(statements.IN_ORDER, part, letter.first_at, letter.id)
        return await self._applied(statements.ADD, *_columns(letter).values())

    async def _close(self, identifier: uuid.UUID, why: Closed, note: str | None, versions: Mapping[uuid.UUID, int] | None) -> bool:
        """Close it, unless it is closed, or about a newer state than `versions` say."""
        for _ in range(_TRIES):
            letter = await self.get(identifier)
            if letter is None or letter.closed is not None:
                return False
            if versions is not None and (letter.document is None or (letter.revision or 0) > versions[letter.document]):
                return False
            closed = letter.model_copy(update={"closed": why, "closed_at": self._clock.now(), "note": note})
            _, *cells = _columns(closed).values()
            life = self._closed_life
            if await self._applied(statements.CLOSE, life, *cells, identifier, letter.attempts, identifier, life):
                await self._forget(letter, why)
                return True
        raise StorageUnavailable(f"{self._session.settings.name}: others keep changing the dead letter {identifier}: try again")

    async def _forget(self, letter: DeadLetter, why: Closed) -> None:
        """Off the list. A letter that was discarded stays the document's, and answers what comes again of that version.

        The list comes last: a letter that is on it still is met by the next who reads it, should this process die.
        """
        life = self._closed_life
        if letter.document is not None and why is Closed.DISCARDED:
            await self._session.run(statements.CLAIM_UNTIL, life, letter.id, letter.document, letter.id, letter.document, life)
        elif letter.document is not None:
            await self._session.run(statements.UNCLAIM, letter.document, letter.id)
        await self._session.run(statements.IN_ORDER_UNTIL, letter.first_at, letter.id, life)
        await self._session.run(statements.NO_LONGER_OPEN, letter.first_at, letter.id)

    async def _applied(self, statement: Statement, *values: Any) -> bool:
        return bool((await self._session.run(statement, *values))[0][0])

    async def _places(self, part: int, behind: tuple[int, uuid.UUID] | None, limit: int) -> list[tuple[int, uuid.UUID]]:
        if behind is None:
            return await self._session.run(statements.LIST, part, limit)
        return await self._session.run(statements.LIST_ON, part, *behind, limit)


def _is_given_up(letter: DeadLetter, revision: int | None) -> bool:
    return letter.closed is Closed.DISCARDED and (letter.revision or 0) >= (revision or 0)


def _place(cursor: str) -> tuple[int, uuid.UUID]:
    first_at, letter = decode_cursor(cursor, int, str)
    try:
        return first_at, uuid.UUID(hex=letter)
    except ValueError:
        raise foreign_cursor(cursor) from None


def _columns(letter: DeadLetter) -> dict[str, Any]:
    return {
        **{name: getattr(letter, name) for name in _NAMES},
        "namespace": None if letter.namespace is None else encoded(letter.namespace),
        "headers": json.dumps(letter.headers),
        "closed": None if letter.closed is None else letter.closed.value,
    }


def _letter(columns: Sequence[Any]) -> DeadLetter:
    found = dict(zip(_NAMES, columns, strict=True))
    found["namespace"] = None if found["namespace"] is None else decoded(found["namespace"])
    found["headers"] = json.loads(found["headers"])
    return DeadLetter.model_validate(found)
