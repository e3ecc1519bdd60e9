"""Ingest documents, keep them up to date, and ask them: LangChain's vector store and retriever on Syncline.

    pip install 'syncline-store[langchain]'
    python rag_ingest.py

Passages are cut by Syncline: whole documents go in, and a search gives the passage that matched best.
"""

import asyncio
import tempfile
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from syncline_store import open_store
from syncline_store.langchain import SynclineRetriever, SynclineVectorStore

PAGES = [
    Document(
        id="tea",
        page_content="Green tea is steeped at seventy degrees. Boiling water makes it bitter.",
        metadata={"topic": "drinks", "year": 2021},
    ),
    Document(
        id="coffee",
        page_content="Espresso needs nine bars of pressure and finely ground beans.",
        metadata={"topic": "drinks", "year": 2023},
    ),
    Document(
        id="bread",
        page_content="Sourdough rises overnight and is baked in a hot iron pot.",
        metadata={"topic": "food", "year": 2023},
    ),
]


async def main(folder: Path) -> None:
    """Ingest twice (ids make that harmless), change a page, delete another, and ask."""
    async with open_store(f"sqlite:///{folder / 'pages.db'}", index=f"path:{folder / 'index'}") as store:
        pages = SynclineVectorStore(store, ("pages",))
        await pages.aadd_documents(PAGES)
        await pages.aadd_documents(PAGES)
        print("how hot:", [page.id for page in await pages.asimilarity_search("how hot is the water for tea", k=1)])

        newer = {"topic": "drinks", "$not": {"year": {"$lt": 2022}}}
        print("since 2022:", [page.id for page in await pages.asimilarity_search("a hot drink", filter=newer)])

        await pages.aadd_texts(["Cold brew steeps in the fridge for a day."], [{"topic": "drinks", "year": 2024}], ids=["coffee"])
        await pages.adelete(["bread"])
        print("changed:", [page.page_content for page in await pages.aget_by_ids(["coffee", "bread"])])

        retriever = SynclineRetriever(store, ("pages",), k=1)
        prompt = ChatPromptTemplate.from_template("Answer from this: {context}\nQuestion: {question}")
        chain = {"context": retriever | (lambda found: found[0].page_content), "question": RunnablePassthrough()} | prompt
        print(chain_text := (await chain.ainvoke("coffee without heat?")).to_string())
        assert "fridge" in chain_text  # noqa: S101 - an example that says what it expects


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
