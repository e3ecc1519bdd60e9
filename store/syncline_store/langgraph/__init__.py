"""LangGraph's long-term memory (its `BaseStore`) on Syncline.

    from syncline_store.langgraph import AsyncSynclineStore

    async with AsyncSynclineStore.from_conn_string("sqlite:///memory.db", index={"embed": "wordllama:256"}) as store:
        graph = builder.compile(store=store)

Needs the extra `langgraph`. docs/langgraph.md says what is alike and what differs from LangGraph's own stores.
"""

try:
    import langgraph.store.base  # noqa: F401 - is it there?
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "syncline_store.langgraph needs LangGraph: pip install 'syncline-store[langgraph]'", name=error.name
    ) from error

from syncline_store.langgraph.index import SynclineIndexConfig
from syncline_store.langgraph.store import AsyncSynclineStore, SynclineStore

__all__ = ["AsyncSynclineStore", "SynclineIndexConfig", "SynclineStore"]
