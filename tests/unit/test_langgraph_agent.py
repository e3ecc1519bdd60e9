"""What LangGraph itself does with the store: nodes and tools of a graph are given it. And what faces of one store share."""

from typing import Annotated, Any

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedStore, ToolNode
from langgraph.store.base import BaseStore

from syncline_store.langgraph import AsyncSynclineStore, SynclineStore
from syncline_store.testing import open_test_store
from tests.parts.langgraph import indexing

MEMORIES = ("users", "ann")


@tool
async def remember(text: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """Keep a memory."""
    await store.aput(MEMORIES, text, {"text": text})
    return "kept"


@tool
async def recall(about: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """The memory that is nearest."""
    return "; ".join(item.key for item in await store.asearch(MEMORIES, query=about, limit=1))


@tool
def recall_in_a_thread(about: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """The memory that is nearest."""
    return "; ".join(item.key for item in store.search(MEMORIES, query=about, limit=1))


def agent(store: BaseStore) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([remember, recall, recall_in_a_thread]))
    builder.add_edge(START, "tools")
    builder.add_edge("tools", END)
    return builder.compile(store=store)


def calling(name: str, **arguments: str) -> dict[str, Any]:
    return {"messages": [AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": "1"}])]}


async def test_a_graphs_tools_are_given_the_store() -> None:
    async with AsyncSynclineStore.from_conn_string("sqlite:///:memory:", index=indexing(fields=["text"])) as store:
        graph = agent(store)
        for text in ("no nuts please", "lives in Rome"):
            assert (await graph.ainvoke(calling("remember", text=text)))["messages"][-1].content == "kept"
        for name in ("recall", "recall_in_a_thread"):
            assert (await graph.ainvoke(calling(name, about="nuts")))["messages"][-1].content == "no nuts please"


def test_so_are_those_of_a_graph_for_threads() -> None:
    with SynclineStore.from_conn_string("sqlite:///:memory:", index=indexing(fields=["text"])) as store:
        store.put(MEMORIES, "tea", {"text": "likes tea"})
        assert agent(store).invoke(calling("recall_in_a_thread", about="tea"))["messages"][-1].content == "tea"


async def test_faces_of_one_store_share_its_connections_and_leave_it_open() -> None:
    async with open_test_store() as store:
        ann, bob = (AsyncSynclineStore(store, tenant=name, index={"fields": ["text"]}) for name in ("ann", "bob"))  # type: ignore[typeddict-item] # the store has a model
        await ann.aput(MEMORIES, "k", {"text": "likes tea"})
        assert ann.store is bob.store is store
        assert [item.key for item in await ann.asearch((), query="tea")] == ["k"]
        assert await bob.asearch((), query="tea") == []
        assert await store.tenant("ann").get(MEMORIES, "k") is not None
