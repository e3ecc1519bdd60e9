"""LangChain's faces of Syncline: a vector store and a retriever, each over a namespace of one tenant.

    from syncline_store import open_store
    from syncline_store.langchain import SynclineVectorStore

    async with open_store("sqlite:///books.db") as store:
        books = SynclineVectorStore(store, ("books",), tenant="acme")
        await books.aadd_documents(documents)
        retriever = books.as_retriever(search_kwargs={"k": 5, "filter": {"language": "en"}})

Needs the extra `langchain`. A LangChain `Embeddings` as Syncline's embedder is `syncline_store.embedding.langchain`.
"""

try:
    import langchain_core.vectorstores  # noqa: F401 - is it there?
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "syncline_store.langchain needs LangChain: pip install 'syncline-store[langchain]'", name=error.name
    ) from error

from syncline_store.langchain.retriever import SynclineRetriever
from syncline_store.langchain.vector_store import SynclineVectorStore

__all__ = ["SynclineRetriever", "SynclineVectorStore"]
