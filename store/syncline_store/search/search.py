"""Searching: the index finds passages, each document counts once, and the source has the last word.

Whatever is found and cannot be given (a second passage, a deleted document) leaves a gap, so the search asks on, without what it
has seen, until the page is full or nothing is left.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
import numpy.typing as npt
from qdrant_client import models

from syncline_contracts.errors import InvalidQuery
from syncline_contracts.identity import Namespace, Ref, point_id
from syncline_store.directory import Directory
from syncline_store.document import Row
from syncline_store.embedding.cached import CachedEmbedder
from syncline_store.index.index import Index
from syncline_store.index.points import Field
from syncline_store.index.state import Found
from syncline_store.parts import Parts
from syncline_store.search.asked import Asked, Mode
from syncline_store.search.freshness import wait_until_all_indexed, wait_until_indexed
from syncline_store.search.hydrate import Dropped, Hit, Hydration, Reason
from syncline_store.search.question import Question, asked, checked, refuse_threshold
from syncline_store.search.scanning import scanned
from syncline_store.sparse import Sparse

Report = Callable[[Sequence[Dropped]], Awaitable[None]]
"""Told of what was found and dropped, after the hits are ready: read-repair."""

PASSAGES_A_DOCUMENT = 3
"""How many passages are asked for to get one document; long documents take a further round."""
LARGEST_ROUND = 2_000
MOST_SEEN = 20_000
"""Passages that one search looks at before it gives what it has."""


class Search:
    """Searches of one store."""

    def __init__(self, parts: Parts, directory: Directory, report: Report | None = None) -> None:
        self._parts = parts
        self.embedder = CachedEmbedder(parts.embedder, parts.settings.embedding.query_cache)
        self._directory = directory
        self._hydration = Hydration(parts.engine.documents, directory)
        self._report = report

    async def search(self, tenant: str, prefix: Namespace, given: Asked) -> list[Hit]:
        """The hits of one page, best first. Raises InvalidQuery, InvalidFilter, and Unavailable of each part."""
        checked(given)
        question = await asked(self.embedder, tenant, prefix, given, await self._languages(tenant, prefix, given))
        if question.condition is not None:
            await self._directory.refuse_undeclared(tenant, prefix, question.condition)
        index = await self._parts.index()
        if question.words is not None:
            await index.take_words()
        rounds = _Nearest(index, question) if question.vector is not None else _Filtered(index, question)
        hits, dropped = await self._collect(question, rounds)
        if dropped and self._report is not None:
            await self._report(dropped)
        return hits[question.offset :]

    async def scan(self, rows: AsyncIterator[Row], tenant: str, prefix: Namespace, given: Asked) -> list[Hit]:
        """The same by filter alone, from the living rows below the prefix. Raises InvalidQuery, InvalidFilter, StorageUnavailable."""
        condition = checked(given)
        if condition is not None:
            await self._directory.refuse_undeclared(tenant, prefix, condition)
        return await scanned(rows, self._directory, condition, limit=given.limit, offset=given.offset)

    async def _languages(self, tenant: str, prefix: Namespace, given: Asked) -> Collection[str]:
        """Of the words that are searched for; none for a search by meaning alone."""
        if given.query is None or given.mode == Mode.DENSE:
            return ()
        if given.mode is None:
            if not prefix or not await self._directory.is_hybrid(tenant, prefix):
                return ()
            refuse_threshold(given)
        languages = await self._directory.languages(tenant, prefix)
        if not languages:
            raise InvalidQuery("mode", "no namespace at or below the prefix is hybrid: configure(hybrid=...) before its first put")
        return languages

    async def wait_until_indexed(self, ref: Ref, revision: int, timeout: float) -> None:  # noqa: ASYNC109 - a word of the public face
        """Read your writes. Raises NotYetIndexed when `timeout` seconds are over, IndexUnavailable."""
        await wait_until_indexed(await self._parts.index(), ref, revision, timeout)

    async def wait_until_all_indexed(self, wanted: Mapping[Ref, int], deadline: float) -> None:
        """The same for several documents before a search, which ends at `deadline` (the loop's time); a tenth is left to the search."""
        index = await self._parts.index()
        await wait_until_all_indexed(index, wanted, 0.9 * (deadline - asyncio.get_running_loop().time()))

    async def _collect(self, question: Question, rounds: "_Nearest | _Filtered") -> tuple[list[Hit], list[Dropped]]:
        """As many of a round's candidates are read as the page needs, the rest only where some had to be dropped."""
        hits: list[Hit] = []
        dropped: list[Dropped] = []
        seen = 0
        while len(hits) < question.wanted and seen < MOST_SEEN and not rounds.exhausted:
            now = self._parts.clock.now()
            candidates, lost, looked_at = await rounds.next(question.wanted - len(hits), now)
            dropped += lost
            seen += looked_at
            first, rest = candidates[: question.wanted - len(hits)], candidates[question.wanted - len(hits) :]
            for some in (first, rest):
                if len(hits) < question.wanted:
                    outcomes = await self._hydration.read(question, some, now)
                    hits += [outcome for outcome in outcomes if isinstance(outcome, Hit)]
                    dropped += [outcome for outcome in outcomes if isinstance(outcome, Dropped)]
        return hits[: question.wanted], dropped


Round = tuple[list[Found], list[Dropped], int]
"""One point for each document, best first; what was dropped; how many points were looked at."""


class _Nearest:
    """Rounds of a search by vector: each leaves out the documents that were seen before."""

    def __init__(self, index: Index, question: Question) -> None:
        self._index = index
        self._question = question
        self._documents: set[UUID] = set()
        self._points: set[str] = set()
        self._lowest = math.inf
        self.exhausted = False

    async def next(self, wanted: int, now: int) -> Round:
        question = self._question
        size = min(LARGEST_ROUND, PASSAGES_A_DOCUMENT * wanted + PASSAGES_A_DOCUMENT)
        assert question.vector is not None  # noqa: S101 - what this class is for
        if question.words is None:
            found = await self._index.search(question.vector, self._unseen(now), size, threshold=question.threshold)
        else:
            found = await self._fused(question.vector, question.words, now, size)
        self.exhausted = len(found) < size
        heads = await self._heads(found)
        best: dict[UUID, Found] = {}
        dropped: list[Dropped] = []
        for point in found:
            document, head = point.state.document, heads.get(point.state.document)
            if head == point.state.revision:
                best.setdefault(document, point)
            else:
                self._points.add(point_id(document, point.state.passage))
                dropped.append(Dropped(point, Reason.HEADLESS if head is None else Reason.STALE_PASSAGE))
        self._documents |= best.keys()
        return list(best.values()), dropped, len(found)

    async def _fused(self, vector: npt.NDArray[np.float32], words: Sparse, now: int, size: int) -> list[Found]:
        """Ranks begin anew in each round: what comes later never has a better score than what came before."""
        found = await self._index.hybrid(vector, words, self._unseen(now), size)
        found = [replace(point, score=min(point.score, self._lowest)) for point in found]
        self._lowest = found[-1].score if found else self._lowest
        return found

    def _unseen(self, now: int) -> models.Filter:
        where = self._question.where(now)
        seen: list[models.Condition] = []
        if self._documents:
            documents = [str(document) for document in self._documents]
            seen.append(models.FieldCondition(key=Field.DOCUMENT, match=models.MatchAny(any=documents)))
        if self._points:
            seen.append(models.HasIdCondition(has_id=list(self._points)))
        return models.Filter(must=where.must, must_not=seen)

    async def _heads(self, found: Sequence[Found]) -> dict[UUID, int]:
        """The revision of each document's living head: a head that was found says it, the others are read."""
        heads = {point.state.document: point.state.revision for point in found if point.state.passage == 0}
        unknown = {point.state.document for point in found} - heads.keys()
        if unknown:
            for document, points in (await self._index.points(list(unknown))).items():
                if points and points[0].passage == 0 and points[0].live:
                    heads[document] = points[0].revision
        return heads


class _Filtered:
    """Rounds of a search by filter alone: heads, in the order of their ids."""

    def __init__(self, index: Index, question: Question) -> None:
        self._index = index
        self._question = question
        self._after: str | None = None
        self.exhausted = False

    async def next(self, wanted: int, now: int) -> Round:
        size = min(LARGEST_ROUND, wanted + PASSAGES_A_DOCUMENT)
        page = await self._index.filtered(self._question.where(now), self._after, size)
        self._after = page.after
        self.exhausted = page.after is None
        return list(page.items), [], len(page.items)
