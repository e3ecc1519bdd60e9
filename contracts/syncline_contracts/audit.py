"""An audit record: who did what, when, and what came of it. Written once, never changed."""

import uuid
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from syncline_contracts.identity import Ref


class Action(StrEnum):
    """What is recorded. A record's own `action` is text: one that a newer version wrote can be read, too."""

    REPLAY = "dead-letters replay"
    DISCARD = "dead-letters discard"
    REPAIR = "reconcile repair"
    CHECK = "reconcile check"
    FINDINGS = "reconcile findings"
    """A page of what a check found, written before the check's own record."""
    SWITCH = "reindex switch"
    ROLLBACK = "reindex rollback"
    DROP = "reindex drop"


class AuditRecord(BaseModel):
    """One action, however many documents it touched. Times are µs since 1970.

    `tenant` alone says that the action was bounded to that tenant; with `namespace` and `key` that it touched this one document.
    """

    model_config = ConfigDict(frozen=True)

    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    at: int
    who: str
    """``user@host`` unless somebody said otherwise."""
    action: str
    tenant: str | None = None
    namespace: tuple[str, ...] | None = None
    key: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)
    """JSON: how many, the first ids, the filter, the reason given."""
    outcome: str
    """``done``, ``in part``, ``cut short`` or ``failed: ERROR``."""

    @property
    def ref(self) -> Ref | None:
        """The one document that it is about, if it is about one."""
        if self.tenant is None or self.namespace is None or self.key is None:
            return None
        return Ref(self.tenant, self.namespace, self.key)
