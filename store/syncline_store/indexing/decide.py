"""What is to be done for a document: pure, from the event, the points seen, the row read, and the time taken before both.

Rules in the order of docs/protocol.md, steps 3 to 7. Nothing here reads, writes or waits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncline_contracts.event import ChangeEvent, Kind
from syncline_store.document import Row
from syncline_store.index.guard import Version
from syncline_store.index.points import Mark, PointState
from syncline_store.indexing.coalesce import Coalesced
from syncline_store.indexing.passages import Passage
from syncline_store.indexing.text import is_indexed

INTENT_LIFE = 600_000_000
"""µs after which an intent's conditional write is taken to have failed (docs/protocol.md, conditional writes)."""


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of a document when it is decided on. `now` was taken before the points, the points before the row (H11)."""

    work: Coalesced
    seen: Sequence[PointState]
    row: Row | None
    now: int
    tries: int = 0
    """How often settle has sent it back."""

    @property
    def event(self) -> ChangeEvent:
        """The coalesced event."""
        return self.work.event

    @property
    def again(self) -> bool:
        """Settle has sent it back: nothing may be skipped on the head's word alone."""
        return self.tries > 0

    @property
    def mends(self) -> bool:
        """A touch or a repair: looks at every point, and writes at the same revision."""
        return self.event.kind.never_skips

    @property
    def head(self) -> PointState | None:
        """The point of passage 0."""
        return self.seen[0] if self.seen and self.seen[0].passage == 0 else None

    @property
    def source(self) -> Row | None:
        """The row; one whose expires_at has passed counts as gone, whatever its storage TTL says (H13)."""
        return None if self.row is None or self.row.gone(self.now) else self.row


@dataclass(frozen=True, slots=True)
class Content:
    """What of a row's value the index shows: the texts that are embedded, and the fields that filters see."""

    passages: Sequence[Passage]
    text_hash: str
    fields: Mapping[str, Any]
    hybrid: str | None = None
    """The language of the passages' sparse vectors; None: they have none."""

    @property
    def points(self) -> int:
        """How many points show it: a document without text still has its head."""
        return max(1, len(self.passages))


# ------------------------------------------------------------------ verdicts


@dataclass(frozen=True, slots=True)
class Skip:
    """The index has this state, or a later one."""

    revision: int


@dataclass(frozen=True, slots=True)
class Defer:
    """The event is ahead of its document: these events go back into the outbox, keeping first_at."""

    events: tuple[ChangeEvent, ...]


@dataclass(frozen=True, slots=True)
class Refresh:
    """The text is the same: a new payload is enough."""

    row: Row
    content: Content


@dataclass(frozen=True, slots=True)
class Embed:
    """Embed the passages and write every point. `mend`: at the same revision too."""

    row: Row
    content: Content
    mend: bool


@dataclass(frozen=True, slots=True)
class Remove:
    """Deleted, or no longer to be indexed: a `deleted` tombstone."""

    row: Row
    mend: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """No row, and the event is old enough to believe that: a `gone` tombstone, over lower revisions and over what was seen."""

    revision: int
    head: tuple[Version, ...]
    """The state in which the head was seen alive, if it was."""
    passages: tuple[Version, ...]
    """The same of the other points."""


@dataclass(frozen=True, slots=True)
class Show:
    """The row is to be shown. Its text is needed to go on: `compare`."""

    row: Row


Verdict = Skip | Defer | Refresh | Embed | Remove | Gone


def decide(case: Case, lateness: int) -> Skip | Defer | Remove | Gone | Show:
    """The first half: what can be said without the text. `lateness`: by how many µs a row may surface after its event."""
    row = case.source
    if _ahead(case, lateness):
        return Defer(case.work.waiting)
    if row is None:
        return _gone(case)
    if case.head is not None and not case.mends and _known(case.head, row) and not (case.again and case.head.revision == row.revision):
        return Skip(case.head.revision)
    return Show(row) if is_indexed(row) else Remove(row, case.mends)


def compare(case: Case, row: Row, content: Content, model: str) -> Skip | Refresh | Embed:
    """The second half: refresh where the text is the same, else embed. A repair, and what settle sent back, always embeds."""
    if case.again or case.event.kind is Kind.REPAIR or case.head is None or not content.passages:
        return Embed(row, content, case.mends)
    points = case.seen if case.mends else [case.head]
    same = all(
        point.live and (point.text_hash, point.passages, point.model) == (content.text_hash, content.points, model) for point in points
    )
    if not same or (case.mends and len(points) != content.points):
        return Embed(row, content, case.mends)
    if all(point.version >= row.version for point in points):
        return Skip(row.revision)
    return Refresh(row, content)


def _ahead(case: Case, lateness: int) -> bool:
    """The event speaks of a state that the row has not reached yet (H8), or its row may still surface (protocol step 4)."""
    event, row, age = case.event, case.source, case.now - case.event.first_at
    if age < INTENT_LIFE and any(intent.expects == (case.row.write_id if case.row else None) for intent in case.work.intents):
        return True
    behind = row is None or (event.revision, event.expires_at) > row.version
    return event.kind is not Kind.INTENT and age < lateness and behind


def _known(head: PointState, row: Row) -> bool:
    """The head is at the row's state or a later one. A living row of the same revision replaces an earlier expiry, and `gone`."""
    if head.revision != row.revision or not is_indexed(row):
        return head.revision >= row.revision
    return head.mark is not Mark.GONE and not (head.live and head.expires_at < row.expires_at)


def _gone(case: Case) -> Gone:
    """An intent's revision is no state's: only what was seen counts then."""
    named = 0 if case.event.kind is Kind.INTENT else case.event.revision
    alive = [point for point in case.seen if point.live]
    return Gone(
        revision=max([named, *(point.revision for point in case.seen)]),
        head=tuple(point.version for point in alive if point.passage == 0),
        passages=tuple({point.version for point in alive if point.passage > 0}),
    )
