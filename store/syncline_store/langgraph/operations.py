"""LangGraph's operations on one tenant's documents.

Within a batch all reads come before all writes, as in LangGraph's own stores. Writes land in the order in which they were asked for,
also across batches that nobody waited for; of several to one document the last one wins.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from langgraph.store.base import GetOp, Item, ListNamespacesOp, Op, PutOp, Result, SearchItem, SearchOp, validate_op_namespace

from syncline_contracts.errors import SynclineError
from syncline_contracts.identity import Namespace, Ref
from syncline_store.document import Apart, Document
from syncline_store.drafts import Put
from syncline_store.fresh import Unindexed
from syncline_store.group_commit import GroupCommit
from syncline_store.langgraph.filters import Wanted, wanted
from syncline_store.langgraph.index import apart
from syncline_store.langgraph.namespaces import head, matches
from syncline_store.tenant import TenantView
from syncline_store.together import together

MOST_WRITES = 256
"""That go to the store together."""
MOST_READ = 1_000
"""Hits that are asked for at a time."""
FARTHEST = 10_000
"""Hits that a search looks at for values that pass all checks."""
NAMESPACES_AT_ONCE = 32
SECONDS = 60
"""Of LangGraph's unit of time."""

Outcome = SynclineError | None
Scored = tuple[Document, float | None]

_log = logging.getLogger(__name__)


class Operations:
    """Runs operations. `fields` are the default texts that are embedded, None where nothing is. Close it with `aclose`."""

    def __init__(self, view: TenantView, fields: Apart | None, unindexed: Unindexed) -> None:
        self._view = view
        self._fields = fields
        self._unindexed = unindexed
        self._writes: GroupCommit[PutOp, Outcome] = GroupCommit(
            self._write, max_items=MOST_WRITES, max_bytes=MOST_WRITES, size_of=lambda _: 1
        )

    async def batch(self, ops: Sequence[Op]) -> list[Result]:
        """One result an operation, in order. All are checked before any is begun. Raises InvalidNamespaceError, ValueError (an unknown
        operation), and what Syncline's calls do: of several the first, the others are done all the same.
        """  # noqa: D205 - the second sentence belongs to the first
        for op in ops:
            if not isinstance(op, GetOp | SearchOp | ListNamespacesOp | PutOp):
                raise ValueError(f"Unknown operation type: {type(op)}")  # noqa: TRY004 - as LangGraph's stores do
            validate_op_namespace(op)
        documents = iter(await self._get([op for op in ops if isinstance(op, GetOp)]))
        results = await together([self._read(op, documents) for op in ops]) if ops else []
        await self._put([op for op in ops if isinstance(op, PutOp)])
        return results

    async def aclose(self) -> None:
        """Finish what was asked for."""
        await self._writes.aclose()

    # ------------------------------------------------------------------ reading

    async def _read(self, op: Op, documents: Iterator[Item | None]) -> Result:
        match op:
            case GetOp():
                return next(documents)
            case SearchOp():
                return await self._search(op)
            case ListNamespacesOp():
                return await self._namespaces(op)
            case _:
                return None

    async def _get(self, ops: Sequence[GetOp]) -> list[Item | None]:
        documents = await self._view.get_many([(tuple(op.namespace), op.key) for op in ops])
        await self._refresh(document for document, op in zip(documents, ops, strict=True) if document is not None and op.refresh_ttl)
        return [None if document is None else Item(**_said(document)) for document in documents]

    async def _search(self, op: SearchOp) -> list[SearchItem]:
        if op.limit <= 0:
            return []
        condition = wanted(op.filter)
        if op.query and op.query.strip() and self._fields is not None:
            found = await self._nearest(op, op.query, condition)
        else:
            found = await self._listed(op, condition)
        if op.refresh_ttl:
            await self._refresh(document for document, _ in found)
        return [SearchItem(**_said(document), score=score) for document, score in found]

    async def _listed(self, op: SearchOp, condition: Wanted) -> list[Scored]:
        """From the documents themselves: what is kept out of the index, or not in it yet, is there, too."""
        found: list[Scored] = []
        left = op.offset
        async with aclosing(self._view.documents(tuple(op.namespace_prefix), filter=condition.filter)) as documents:  # type: ignore[type-var] # an async generator
            async for document in documents:
                if not condition.holds(document.value):
                    continue
                if left > 0:
                    left -= 1
                    continue
                found.append((document, None))
                if len(found) == op.limit:
                    break
        return found

    async def _nearest(self, op: SearchOp, query: str, condition: Wanted) -> list[Scored]:
        """What the index cannot check is checked here, and further hits are asked for until the page is full."""
        prefix = tuple(op.namespace_prefix)
        await self._unindexed.wait(prefix)
        begin, skip = (op.offset, 0) if not condition.checks else (0, op.offset)
        found: list[Scored] = []
        while True:
            size = min(MOST_READ, max(op.limit, 10) if condition.checks else skip + op.limit - len(found))
            hits = await self._view.search(prefix, query=query, filter=condition.filter, limit=size, offset=begin)
            found += [(hit.document, hit.score) for hit in hits if condition.holds(hit.value)]
            begin += size
            if len(found) >= skip + op.limit or len(hits) < size or begin > FARTHEST:
                return found[skip : skip + op.limit]

    async def _namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        """Those that hold a living document, in order; cut to `max_depth` each counts once."""
        conditions = tuple(op.match_conditions or ())
        found: dict[Namespace, None] = {}
        cursor = None
        while True:
            page = await self._view.list_namespaces(head(conditions), limit=MOST_READ, cursor=cursor)
            candidates = [namespace for namespace in page.items if all(matches(condition, namespace) for condition in conditions)]
            for first in range(0, len(candidates), NAMESPACES_AT_ONCE):
                some = candidates[first : first + NAMESPACES_AT_ONCE]
                lives = await together([self._lives(namespace) for namespace in some])
                found |= {namespace[: op.max_depth]: None for namespace, alive in zip(some, lives, strict=True) if alive}
                if len(found) >= op.offset + op.limit:
                    break
            cursor = page.after
            if cursor is None or len(found) >= op.offset + op.limit:
                return [*found][op.offset : op.offset + op.limit]

    async def _lives(self, namespace: Namespace) -> bool:
        """Whether it holds a document; a namespace comes before those below it."""
        page = await self._view.list(namespace, limit=1)
        return any(document.namespace == namespace for document in page.items)

    async def _refresh(self, documents: Iterable[Document]) -> None:
        """What was read lives on. That this fails is no reason not to give it."""
        try:
            await self._view.refresh(documents)
        except SynclineError as error:
            _log.warning("what was read could not be given a longer life: %s", error)

    # ------------------------------------------------------------------ writing

    async def _put(self, ops: Sequence[PutOp]) -> None:
        outcomes = await together([self._writes.submit(op) for op in ops]) if ops else []
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _write(self, ops: Sequence[PutOp]) -> list[Outcome]:
        """One outcome an operation. What is overwritten within the group shares the fate of what overwrites it."""
        last = {(tuple(op.namespace), op.key): op for op in ops}
        puts = [op for op in last.values() if op.value is not None]
        deletes = [op for op in last.values() if op.value is None]
        outcomes = dict(zip(map(_place, puts), await self._store(puts), strict=True))
        outcomes |= dict(zip(map(_place, deletes), await together([self._delete(op) for op in deletes]) if deletes else [], strict=True))
        return [outcomes[_place(op)] for op in ops]

    async def _store(self, ops: Sequence[PutOp]) -> list[Outcome]:
        puts = [Put(tuple(op.namespace), op.key, dict(op.value or {}), self._index(op), _seconds(op.ttl)) for op in ops]
        results = await self._view.put_many(puts)
        for put, result in zip(puts, results, strict=True):
            if isinstance(result, int) and put.index is not False:
                self._unindexed.note(Ref(self._view.tenant, tuple(put.namespace), put.key), result)
        return [None if isinstance(result, int) else result for result in results]

    async def _delete(self, op: PutOp) -> Outcome:
        try:
            await self._view.delete(tuple(op.namespace), op.key)
        except SynclineError as error:
            return error
        return None

    def _index(self, op: PutOp) -> Apart | bool:
        if self._fields is None or op.index is False:
            return False
        return self._fields if op.index is None else apart(op.index) if op.index else False


def _place(op: PutOp) -> tuple[Namespace, str]:
    return tuple(op.namespace), op.key


def _said(document: Document) -> dict[str, Any]:
    return {
        "value": document.value,
        "key": document.key,
        "namespace": document.namespace,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
    }


def _seconds(minutes: float | None) -> float:
    """None is for ever, as LangGraph has it; to the millisecond, so that a tenth of a minute is six seconds and not a little more."""
    return math.inf if minutes is None else round(minutes * SECONDS, 3)
