"""A retriever over all documents at and below a prefix, whatever they look like."""

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import PrivateAttr

from syncline_store.home import Home
from syncline_store.langchain.opened import AnyStore, home_of
from syncline_store.search.hydrate import Hit
from syncline_store.tenant import TenantView

_ASKED = frozenset({"k", "filter", "threshold", "mode"})
"""What a call may say for itself: ``retriever.invoke("cat", k=1)``."""


class SynclineRetriever(BaseRetriever):
    """Gives the passage that matches best of each of the `k` nearest documents, with the whole value as metadata.

    The metadata hold `value`, `namespace`, `key`, `revision` and `score` beside each other: no name in a value hides another.
    """

    prefix: tuple[str, ...]
    k: int = 4
    filter: dict[str, Any] | None = None
    threshold: float | None = None
    mode: str | None = None
    _view: TenantView = PrivateAttr()
    _home: Home = PrivateAttr()

    def __init__(self, store: AnyStore, prefix: Sequence[str] = (), *, tenant: str = "default", **given: Any) -> None:
        """Over an open store, which is its maker's to close.

        `given`: `k`, `filter` (over the values), `threshold` (the least cosine), `mode` ("dense", "hybrid": as in `TenantView.search`).
        """
        super().__init__(**{"prefix": tuple(prefix), **given})
        opened, self._home = home_of(store)
        self._view = opened.tenant(tenant)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's signature
        **asked: Any,
    ) -> list[Document]:
        return self._home.wait(self._found(query, **asked))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's signature
        **asked: Any,
    ) -> list[Document]:
        return await self._home.bring(self._found(query, **asked))

    async def _found(self, query: str, **asked: Any) -> list[Document]:
        """What a call asks for comes before what the retriever was made with. Raises TypeError for another name."""
        if unknown := asked.keys() - _ASKED:
            raise TypeError(f"a retriever takes {', '.join(sorted(_ASKED))}, not {', '.join(sorted(unknown))}")
        given = {name: asked.get(name, getattr(self, name)) for name in _ASKED}
        limit = given.pop("k")
        hits = await self._view.search(self.prefix, query=query, limit=limit, **given)
        return [_document(hit) for hit in hits]


def _document(hit: Hit) -> Document:
    metadata = {"value": hit.value, "namespace": hit.namespace, "key": hit.key, "revision": hit.revision, "score": hit.score}
    return Document(id=hit.key, page_content=hit.passage or "", metadata=metadata)
