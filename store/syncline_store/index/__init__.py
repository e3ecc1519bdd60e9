"""What is kept in Qdrant, and how it is read and written: always guarded by revision.

qdrant-client takes seconds to import, so `Index` is loaded when it is asked for; values (points, guards, changes) come without it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline_store.index.index import Index

__all__ = ["Index"]


def __getattr__(name: str) -> Any:
    """Load `Index` on demand."""
    if name == "Index":
        from syncline_store.index.index import Index  # noqa: PLC0415 - heavy, see above

        return Index
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
