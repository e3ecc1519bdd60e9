"""Every error that Syncline raises on purpose. Each message names the remedy.

SynclineError
├── InvalidInput                  the caller's value breaks a rule; nothing was written
│   ├── InvalidDocument           tenant, namespace, key or value
│   ├── InvalidFilter             an unknown operator, a field that cannot be filtered
│   └── InvalidQuery
├── ConfigurationError            cannot work as configured; refused before anything is written
│   ├── IndexMismatch             the collection was built with another model or dimension
│   ├── IndexLocked               another process holds the local index
│   ├── SchemaTooNew              the data was migrated by a newer Syncline
│   ├── SchemaMissing             the storage was not migrated to this version yet
│   └── ClockSkew                 this machine's clock is ahead of, or behind, what is bearable
├── Unavailable                   a part does not answer now: try again later, nothing is lost
│   ├── StorageUnavailable
│   ├── IndexUnavailable
│   ├── EmbedderUnavailable
│   └── TransportUnavailable
├── RateLimited                   the tenant asks for more than its share: try again when it says, nothing was done
├── QuotaExceeded                 the tenant holds as much as it may: nothing was written
├── Overloaded                    this process has as much under way as it may: try again later, nothing was done
├── WriteOutcomeUnknown           the write may or may not have landed; repeating it is harmless
├── NotYetIndexed                 the document is stored, the index does not hold it yet
├── DocumentRefused               this document cannot be indexed as it is
└── UndecodableEvent              bytes that are no change event
    └── UnsupportedSchema         an event of a newer major schema version
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncline_contracts.identity import Ref


class SynclineError(Exception):
    """The root: catch it to catch everything that Syncline raises on purpose."""


class InvalidInput(SynclineError, ValueError):
    """A value breaks a rule. `field` names it (``"key"``, ``"value.price"``); nothing was written."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class InvalidDocument(InvalidInput):
    """A tenant, namespace, key or value that breaks a limit."""


class InvalidFilter(InvalidInput):
    """A filter with an unknown operator, a wrong type, or a field that cannot be filtered."""


class InvalidQuery(InvalidInput):
    """A search or listing whose arguments do not fit together."""


class ConfigurationError(SynclineError):
    """Cannot work as configured. The message names the setting and the remedy."""


class IndexMismatch(ConfigurationError):
    """The collection was built with another embedding model or dimension; nothing was written to it."""


class IndexLocked(ConfigurationError):
    """Another process holds the local index, which only one process may open."""


class SchemaTooNew(ConfigurationError):
    """The data was migrated by a newer Syncline than this one."""


class SchemaMissing(ConfigurationError):
    """The storage was not migrated to this version yet: `syncline migrate` does it."""


class ClockSkew(ConfigurationError):
    """A clock is further off than Syncline can bear without losing writes."""


class Unavailable(SynclineError):
    """A part does not answer now. Nothing is lost: the work is taken up again when it does."""

    def __init__(self, problem: str, *, retry_after: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after
        """Seconds the part itself asked to be left alone, if it said so."""


class StorageUnavailable(Unavailable):
    """The document storage does not answer, or cannot write (a full or read-only disk)."""


class IndexUnavailable(Unavailable):
    """Qdrant does not answer, or asks to be left alone."""


class EmbedderUnavailable(Unavailable):
    """The embedding model does not answer, or asks to be left alone."""


class TransportUnavailable(Unavailable):
    """The event transport does not take events."""


class RateLimited(SynclineError):
    """A tenant asks for more than it may. Nothing was done."""

    def __init__(self, problem: str, *, retry_after: float) -> None:
        super().__init__(problem)
        self.retry_after = retry_after
        """Seconds until there is room again."""


class QuotaExceeded(SynclineError):
    """A tenant would hold more than it may. Nothing was written: delete some of it, or raise the quota."""

    def __init__(self, tenant: str, quota: str, *, limit: int, used: int, wanted: int) -> None:
        super().__init__(
            f"{tenant!r} holds {used:,} of {limit:,} {quota}, and this would be {wanted:,} more: "
            f"delete documents, or raise quotas.{quota} (for this tenant: quotas.tenants)"
        )
        self.tenant = tenant
        self.quota = quota
        """``"documents"`` or ``"bytes"``."""
        self.limit = limit
        self.used = used
        """As far as this process knows: counted a while ago, and what it wrote itself since."""
        self.wanted = wanted
        """By how much it would have grown."""


class Overloaded(SynclineError):
    """This process has as much of that kind under way as it may, and none of it ended in time. Nothing was done."""


class WriteOutcomeUnknown(SynclineError):
    """The write may or may not have landed. Repeating it with the same revision is harmless."""

    def __init__(self, ref: "Ref", revision: int, problem: str) -> None:
        super().__init__(f"the outcome of writing {ref} at revision {revision} is unknown: {problem}")
        self.ref = ref
        self.revision = revision


class NotYetIndexed(SynclineError):
    """The document is stored at `revision`; the index does not hold it yet. `reason` says why."""

    def __init__(self, ref: "Ref", revision: int, reason: str) -> None:
        super().__init__(f"{ref} is stored at revision {revision}, but not indexed: {reason}")
        self.ref = ref
        self.revision = revision
        self.reason = reason


class DocumentRefused(SynclineError):
    """One document, or one text, cannot be indexed as it is; its batch-mates can."""


class UndecodableEvent(SynclineError):
    """These bytes are no change event; they go to the dead letters as they are."""


class UnsupportedSchema(UndecodableEvent):
    """The event's major schema version is newer than this process knows: upgrade it, then replay."""
