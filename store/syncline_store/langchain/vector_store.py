# ruff: noqa: A002 - `filter` is the word of LangChain's face
"""LangChain's `VectorStore` over one namespace: ids are keys."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from syncline_contracts.errors import SynclineError
from syncline_contracts.identity import Ref
from syncline_store.document import Document as Stored
from syncline_store.drafts import Put
from syncline_store.embedding.langchain import LangChainEmbedder
from syncline_store.fresh import Unindexed
from syncline_store.home import LoopThread
from syncline_store.langchain.opened import AnyStore, home_of
from syncline_store.langchain.shape import INDEXED, document_of, filter_of, value_of
from syncline_store.search.asked import Mode
from syncline_store.search.hydrate import Hit
from syncline_store.sync import SyncStore, open_store
from syncline_store.together import together

NAMESPACE = ("documents",)
TENANT = "default"
INDEXED_WITHIN = 10.0
"""Seconds that a search waits for what this one added, where relay and worker index."""
K = 4
"""Documents that a search gives, as in LangChain's own stores."""
FETCHED = 20
FARTHEST = 10_000
"""Documents that a search looks at for those of its namespace."""


class SynclineVectorStore(VectorStore):
    """Texts and their metadata, found by likeness; `filter` looks at the metadata (``{"year": {"$gte": 1990}, "author.name": "Ann"}``).

    Given a store for async code, its async methods belong to the loop that it is made in, and the others to other threads; given one
    for scripts, all may be called from anywhere. All raise what the store's own calls raise.
    """

    def __init__(
        self,
        store: AnyStore,
        namespace: Sequence[str] = NAMESPACE,
        *,
        tenant: str = TENANT,
        embedding: Embeddings | None = None,
        indexed_within: float = INDEXED_WITHIN,
    ) -> None:
        """Over an open store, which is its maker's to close, and whose embedder counts; `embedding` is what `embeddings` shows of it."""
        self._opened = store
        self._store, self._home = home_of(store)
        self._view = self._store.tenant(tenant)
        self._namespace = tuple(namespace)
        self._embedding = embedding
        self._unindexed = Unindexed(self._store.parts, indexed_within)

    @property
    def embeddings(self) -> Embeddings | None:
        """The embeddings that it was made with."""
        return self._embedding

    def close(self) -> None:
        """Close the store, where `from_texts` opened it."""
        if isinstance(self._opened, SyncStore):
            self._opened.close()

    # ------------------------------------------------------------------ writing

    def add_texts(
        self, texts: Iterable[str], metadatas: list[dict[str, Any]] | None = None, *, ids: list[str] | None = None, **kwargs: Any
    ) -> list[str]:
        """Their ids, drawn where none are given. What has an id already is replaced. `ttl`: seconds."""
        return self._home.wait(self._add(texts, metadatas, ids, **kwargs))

    async def aadd_texts(
        self, texts: Iterable[str], metadatas: list[dict[str, Any]] | None = None, *, ids: list[str] | None = None, **kwargs: Any
    ) -> list[str]:
        """As `add_texts`."""
        return await self._home.bring(self._add(texts, metadatas, ids, **kwargs))

    def add_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """As `add_texts`; a document's own id counts where `ids` says nothing."""
        return self._home.wait(self._add_documents(documents, **kwargs))

    async def aadd_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """As `add_documents`."""
        return await self._home.bring(self._add_documents(documents, **kwargs))

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:  # noqa: ARG002 - LangChain's signature
        """Delete these, there or not; with None all of them."""
        return self._home.wait(self._delete(ids))

    async def adelete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:  # noqa: ARG002 - LangChain's signature
        """As `delete`."""
        return await self._home.bring(self._delete(ids))

    # ------------------------------------------------------------------ reading

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Those that are there, in the order asked."""
        return self._home.wait(self._get(ids))

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """As `get_by_ids`."""
        return await self._home.bring(self._get(ids))

    def similarity_search(self, query: str, k: int = K, **kwargs: Any) -> list[Document]:
        """The `k` nearest. `filter`: over metadata; `threshold`: the least cosine; `mode`: as in `TenantView.search`."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    async def asimilarity_search(self, query: str, k: int = K, **kwargs: Any) -> list[Document]:
        """As `similarity_search`."""
        return [document for document, _ in await self.asimilarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = K, **kwargs: Any) -> list[tuple[Document, float]]:
        """Each with its cosine: 1 is equal. In a hybrid namespace with its rank's score (RRF), unless `mode` is "dense"."""
        return self._home.wait(self._scored(k, query=query, **kwargs))

    async def asimilarity_search_with_score(self, query: str, k: int = K, **kwargs: Any) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`."""
        return await self._home.bring(self._scored(k, query=query, **kwargs))

    def similarity_search_by_vector(self, embedding: list[float], k: int = K, **kwargs: Any) -> list[Document]:
        """The `k` nearest to a vector."""
        return [document for document, _ in self._home.wait(self._scored(k, vector=embedding, **kwargs))]

    async def asimilarity_search_by_vector(self, embedding: list[float], k: int = K, **kwargs: Any) -> list[Document]:
        """As `similarity_search_by_vector`."""
        return [document for document, _ in await self._home.bring(self._scored(k, vector=embedding, **kwargs))]

    def max_marginal_relevance_search(
        self, query: str, k: int = K, fetch_k: int = FETCHED, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Of the `fetch_k` nearest `k` that differ: `lambda_mult` 1 looks at nearness alone, 0 at difference."""
        return self._home.wait(self._varied(query, k, fetch_k, lambda_mult, **kwargs))

    async def amax_marginal_relevance_search(
        self, query: str, k: int = K, fetch_k: int = FETCHED, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """As `max_marginal_relevance_search`."""
        return await self._home.bring(self._varied(query, k, fetch_k, lambda_mult, **kwargs))

    def _similarity_search_with_relevance_scores(self, query: str, k: int = K, **kwargs: Any) -> list[tuple[Document, float]]:
        """How near it is, in a hybrid namespace too: a rank's score says nothing about that."""
        return super()._similarity_search_with_relevance_scores(query, k, **{"mode": Mode.DENSE, **kwargs})

    async def _asimilarity_search_with_relevance_scores(self, query: str, k: int = K, **kwargs: Any) -> list[tuple[Document, float]]:
        return await super()._asimilarity_search_with_relevance_scores(query, k, **{"mode": Mode.DENSE, **kwargs})

    # ------------------------------------------------------------------ making

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        namespace: Sequence[str] = NAMESPACE,
        tenant: str = TENANT,
        model: str | None = None,
        **settings: Any,
    ) -> Self:
        """A store of its own with these texts, in memory unless `settings` (those of `open_store`) say; `close` lets go of it.

        `model` names the embeddings: another name whenever the vectors are others.
        """
        store = _open(embedding, model or f"langchain/{type(embedding).__qualname__}", settings)
        try:
            made = cls(store, namespace, tenant=tenant, embedding=embedding)
            made.add_texts(texts, metadatas, ids=ids)
        except BaseException:
            store.close()
            raise
        return made

    # ------------------------------------------------------------------ inside

    async def _add(
        self,
        texts: Iterable[str],
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        ids: Sequence[str | None] | None = None,
        *,
        ttl: float | None = None,
    ) -> list[str]:
        contents = [*texts]
        for name, given in (("metadatas", metadatas), ("ids", ids)):
            if given is not None and len(given) != len(contents):
                raise ValueError(f"{name}: there are {len(given)} of them for {len(contents)} texts")
        keys = [key or str(uuid.uuid4()) for key in ids or repeat(None, len(contents))]
        puts = [
            Put(self._namespace, key, value_of(text, metadata), INDEXED, ttl)
            for key, text, metadata in zip(keys, contents, metadatas or repeat(None), strict=False)
        ]
        results = await self._view.put_many(puts)
        for key, result in zip(keys, results, strict=True):
            if isinstance(result, int):
                self._unindexed.note(Ref(self._view.tenant, self._namespace, key), result)
        for result in results:
            if isinstance(result, SynclineError):
                raise result
        return keys

    async def _add_documents(self, documents: Sequence[Document], ids: Sequence[str | None] | None = None, **given: Any) -> list[str]:
        texts, metadatas = [document.page_content for document in documents], [document.metadata for document in documents]
        return await self._add(texts, metadatas, [document.id for document in documents] if ids is None else ids, **given)

    async def _delete(self, ids: Sequence[str] | None) -> bool:
        keys = [*ids] if ids is not None else [found.key async for found in self._view.documents(self._namespace) if self._holds(found)]
        for some in _portions(keys):
            await together([self._view.delete(self._namespace, key) for key in some])
        return True

    async def _get(self, ids: Sequence[str]) -> list[Document]:
        found = await self._view.get_many([(self._namespace, key) for key in ids])
        return [document_of(document) for document in found if document is not None]

    async def _hits(
        self,
        k: int,
        *,
        query: str | None = None,
        vector: Sequence[float] | None = None,
        filter: Mapping[str, Any] | None = None,
        threshold: float | None = None,
        mode: str | None = None,
    ) -> Sequence[Hit]:
        """Of this namespace alone: where nearer ones lie below it, further ones are asked for."""
        await self._unindexed.wait(self._namespace)
        over = filter_of(filter)
        ask = partial(self._view.search, self._namespace, query=query, vector=vector, filter=over, threshold=threshold, mode=mode)
        found: list[Hit] = []
        begin = 0
        while True:
            hits = await ask(limit=k, offset=begin)
            found += [hit for hit in hits if self._holds(hit.document)]
            begin += k
            if len(found) >= k or len(hits) < k or begin > FARTHEST:
                return found[:k]

    def _holds(self, document: Stored) -> bool:
        return document.namespace == self._namespace

    async def _scored(self, k: int, **asked: Any) -> list[tuple[Document, float]]:
        return [(document_of(hit.document), hit.score or 0.0) for hit in await self._hits(k, **asked)]

    async def _varied(self, query: str, k: int, fetch_k: int, lambda_mult: float, **asked: Any) -> list[Document]:
        hits = await self._hits(max(k, fetch_k), query=query, **asked)
        if not hits:
            return []
        embedder = self._store.parts.embedder
        vectors = await embedder.embed_documents([hit.passage or "" for hit in hits])
        chosen = maximal_marginal_relevance(await embedder.embed_query(query), [*vectors], lambda_mult, k)
        return [document_of(hits[number].document) for number in chosen]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        """Between 0 and 1: what points away from the query is not relevant at all."""
        return lambda cosine: min(1.0, max(0.0, cosine))


def _open(embedding: Embeddings, model: str, settings: Mapping[str, Any]) -> SyncStore:
    probing = LoopThread("syncline-embeddings")
    try:
        embedder = probing.home.wait(LangChainEmbedder.open(embedding, model=model))
    finally:
        probing.close()
    return open_store(embedder=embedder, **{"store": "sqlite:///:memory:", "index": ":memory:", **settings})


def _portions(keys: Sequence[str], size: int = 256) -> Iterator[Sequence[str]]:
    return (keys[first : first + size] for first in range(0, len(keys), size))
