"""The change event: a hint that a document may have changed. It carries no value; handlers re-read the source."""

import uuid
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER


class Kind(StrEnum):
    """Why the event was written.

    `write` skips what the index already has; `touch` and `repair` compare every point and mend at the same revision.
    `intent` and `settled` are the two rows of a conditional write.
    """

    WRITE = "write"
    TOUCH = "touch"
    REPAIR = "repair"
    INTENT = "intent"
    SETTLED = "settled"

    @property
    def never_skips(self) -> bool:
        """Touch and repair look at every point even where the head is up to date."""
        return self in (Kind.TOUCH, Kind.REPAIR)


class ChangeEvent(BaseModel):
    """One outbox record. Times are microseconds since 1970.

    `revision` and `expires_at` say which state of the row the event speaks of: a handler that reads an older one defers.
    `first_at` is when the change was made; a deferral keeps it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    tenant: Annotated[str, Field(min_length=1)]
    namespace: Annotated[tuple[str, ...], Field(min_length=1)]
    key: str
    revision: int
    kind: Kind
    expires_at: int = NEVER
    first_at: int
    expects: uuid.UUID | None = None
    """An intent's: the write_id that its conditional write expects to replace."""
    traceparent: str | None = None

    @classmethod
    def stored(cls, **fields: Any) -> Self:
        """The event whose fields, all of them, were checked when it was stored: a third of what `model_construct` takes."""
        event = cls.__new__(cls)
        object.__setattr__(event, "__dict__", fields)
        object.__setattr__(event, "__pydantic_fields_set__", _FIELDS)
        object.__setattr__(event, "__pydantic_extra__", None)
        object.__setattr__(event, "__pydantic_private__", None)
        return event

    @property
    def ref(self) -> Ref:
        """The document that the event speaks of."""
        return Ref(self.tenant, self.namespace, self.key)

    @classmethod
    def of(cls, ref: Ref, revision: int, kind: Kind, *, first_at: int, expires_at: int = NEVER, traceparent: str | None = None) -> Self:
        """An event with a new id."""
        return cls(
            tenant=ref.tenant,
            namespace=ref.namespace,
            key=ref.key,
            revision=revision,
            kind=kind,
            first_at=first_at,
            expires_at=expires_at,
            traceparent=traceparent,
        )


_FIELDS = set(ChangeEvent.model_fields)
"""Shared by all stored events: pydantic copies it before it changes anything."""
