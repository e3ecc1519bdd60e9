"""An agent that remembers what its users told it, from one conversation to the next: LangGraph with Syncline as its store.

    pip install 'syncline-store[langgraph]' langgraph
    python agent_memory.py

The chat model is a stand-in that needs no network; put a real one in its place.
"""

import asyncio
import tempfile
import uuid
from pathlib import Path

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.store.base import BaseStore

from syncline_store.langgraph import AsyncSynclineStore

model = GenericFakeChatModel(messages=iter([AIMessage("Noted."), AIMessage("Noted."), AIMessage("You do not eat nuts.")]))


class State(MessagesState):
    """A conversation, and what is remembered for it."""

    memories: list[str]


def memories_of(config: RunnableConfig) -> tuple[str, ...]:
    """Each user has a namespace of memories."""
    return ("users", config["configurable"]["user"], "memories")


async def recall(state: State, config: RunnableConfig, *, store: BaseStore) -> dict[str, list[str]]:
    """What was said before that is nearest to what is asked now."""
    found = await store.asearch(memories_of(config), query=str(state["messages"][-1].content), limit=2)
    return {"memories": [item.value["text"] for item in found]}


async def answer(state: State) -> dict[str, list[AnyMessage]]:
    """Ask the model, with the memories in front."""
    known = SystemMessage("What you know of the user:\n" + "\n".join(state["memories"]))
    return {"messages": [await model.ainvoke([known, *state["messages"]])]}


async def remember(state: State, config: RunnableConfig, *, store: BaseStore) -> None:
    """Keep what the user said, for a month after it was last needed."""
    said = next(message for message in reversed(state["messages"]) if isinstance(message, HumanMessage))
    if not str(said.content).endswith("?"):
        await store.aput(memories_of(config), str(uuid.uuid4()), {"text": said.content}, ttl=30 * 24 * 60)


async def main(folder: Path) -> None:
    """Three conversations; the last one needs what was said in the first."""
    index = {"embed": "wordllama:256", "fields": ["text"]}  # or {"dims": 1536, "embed": OpenAIEmbeddings(), "fields": ["text"]}
    async with AsyncSynclineStore.from_conn_string(f"sqlite:///{folder / 'memory.db'}", index=index) as store:
        await store.setup()
        builder = StateGraph(State)
        builder.add_node(recall)
        builder.add_node(answer)
        builder.add_node(remember)
        builder.add_edge(START, "recall")
        builder.add_edge("recall", "answer")
        builder.add_edge("answer", "remember")
        builder.add_edge("remember", END)
        graph = builder.compile(store=store)

        for user, said in (
            ("ann", "I am allergic to walnuts and other nuts."),
            ("bob", "I eat anything with peanuts."),
            ("ann", "Which nuts do I eat?"),
        ):
            state = await graph.ainvoke({"messages": [HumanMessage(said)], "memories": []}, {"configurable": {"user": user}})
            print(f"{user}: {said}\n  remembered: {state['memories']}\n  answer: {state['messages'][-1].content}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
