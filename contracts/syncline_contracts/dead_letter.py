"""A dead letter: an event, or bytes that should have been one, which could not be handled."""

import uuid
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from syncline_contracts.identity import Ref

REASONS = 10
"""Failures that are remembered of one letter: the last ones."""
LONGEST_MESSAGE = 1_000
"""Characters that are remembered of each one's message."""


class Closed(StrEnum):
    """Why a letter is no longer open."""

    REPLAYED = "replayed"
    RESOLVED = "resolved"
    DISCARDED = "discarded"


class Reason(BaseModel):
    """One failure of a letter's document. Time in µs since 1970."""

    model_config = ConfigDict(frozen=True)

    at: int
    revision: int | None
    error: str
    message: str
    """Its beginning."""
    attempts: int
    """How often it was tried that time."""


class DeadLetter(BaseModel):
    """What is kept of it: original bytes, key and headers, where it came from, why it failed. Times are µs since 1970.

    `document` is None for bytes that could not be decoded. There is one open letter a document at most: a further
    failure adds to its attempts.
    """

    model_config = ConfigDict(frozen=True)

    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    document: uuid.UUID | None
    tenant: str | None = None
    namespace: tuple[str, ...] | None = None
    key: str | None = None
    revision: int | None = None
    payload: bytes
    headers: dict[str, str] = Field(default_factory=dict)
    source: str
    """Where the event stood: ``outbox/3/<pos>``, ``kafka/<topic>/<partition>/<offset>``, ``inline``."""
    error: str
    """The error's class."""
    message: str
    attempts: int = 1
    first_at: int
    last_at: int
    closed: Closed | None = None
    closed_at: int | None = None
    note: str | None = None
    """What the operator said when discarding it."""

    @property
    def reason(self) -> Reason:
        """What is remembered of this failure once a further one has taken its place."""
        return Reason(
            at=self.last_at, revision=self.revision, error=self.error, message=self.message[:LONGEST_MESSAGE], attempts=self.attempts
        )

    @property
    def ref(self) -> Ref | None:
        """The document it is about, where the event could be decoded."""
        if self.tenant is None or self.namespace is None or self.key is None:
            return None
        return Ref(self.tenant, self.namespace, self.key)
