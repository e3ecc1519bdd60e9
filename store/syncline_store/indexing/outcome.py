"""What became of a document that the indexer handled. Matched exhaustively; an outage is an exception (Unavailable)."""

from dataclasses import dataclass
from enum import StrEnum

from syncline_contracts.identity import Ref


class Done(StrEnum):
    """How a handled document was brought in step."""

    SKIPPED = "skip_stale"
    REFRESHED = "refresh_payload"
    EMBEDDED = "embed"
    REMOVED = "remove"


@dataclass(frozen=True, slots=True)
class Handled:
    """The index holds this state of the document, or a later one."""

    ref: Ref
    revision: int
    how: Done


@dataclass(frozen=True, slots=True)
class Deferred:
    """The event is ahead of its document; it was put back into the outbox, to come again at `due` (µs since 1970)."""

    ref: Ref
    due: int


@dataclass(frozen=True, slots=True)
class Buried:
    """The document cannot be indexed as it is: a dead letter was written."""

    ref: Ref
    revision: int
    error: str
    message: str


Outcome = Handled | Deferred | Buried
