"""An open store of either kind, and where it lives."""

from syncline_store.home import Home
from syncline_store.store import Store
from syncline_store.sync import SyncStore

AnyStore = Store | SyncStore


def home_of(store: AnyStore) -> tuple[Store, Home]:
    """The store, and the loop that it lives in: of one for async code, the one that runs now. Raises RuntimeError where none does."""
    return (store.store, store.home) if isinstance(store, SyncStore) else (store, Home.here())
