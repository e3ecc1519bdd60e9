"""The document store: documents in, search out, and an index that follows.

`open_store` is where to begin.
"""

from typing import TYPE_CHECKING, Any

from syncline_store.conditional import Applied, Refused, Superseded
from syncline_store.document import Apart, Document
from syncline_store.drafts import Put
from syncline_store.engines.protocol import Page
from syncline_store.settings import IndexingSettings, LimitSettings, StoreSettings
from syncline_store.store import Store, open_store
from syncline_store.tenant import TenantView

if TYPE_CHECKING:
    from syncline_store.search.hydrate import Hit

__all__ = [
    "Apart",
    "Applied",
    "Document",
    "Hit",
    "IndexingSettings",
    "LimitSettings",
    "Page",
    "Put",
    "Refused",
    "Store",
    "StoreSettings",
    "Superseded",
    "TenantView",
    "open_store",
]


def __getattr__(name: str) -> Any:
    """`Hit` is loaded when it is asked for: what it comes with takes seconds to import."""
    if name == "Hit":
        from syncline_store.search.hydrate import Hit  # noqa: PLC0415 - see above

        return Hit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
