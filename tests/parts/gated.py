"""Handlers that a test walks step by step: each call to the engine or the index waits for its gate.

    first = handlers.start([event])          # a task of its own; it stands before its first step
    await first.step("points")               # lets this one step pass; fails if the next step is another one
    await first.until("heads")               # ... up to, not including, a step
    await first.finish()                     # all the rest; gives the outcomes
    await first.crash()                      # cancelled where it stands, before that step is done

Steps: points, rows, serial (intents' rows), embed, passages, remove, heads, refresh, defer. A call with nothing to do is no step.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
import numpy.typing as npt

from syncline_contracts.event import ChangeEvent
from syncline_contracts.identity import Ref
from syncline_store.document import Row
from syncline_store.embedding.protocol import Embedder, Vectors
from syncline_store.index.changes import Refresh, Removal, Upsert
from syncline_store.index.points import Field, PointState
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.indexer import Indexer
from syncline_store.indexing.outcome import Outcome

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds after which a step that does not come fails the test."""


class Gate:
    """Where one handler waits before each of its steps."""

    def __init__(self) -> None:
        self.standing: str | None = None
        self.opened = False
        self._changed = asyncio.Condition()
        self._permits = 0

    async def pass_through(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        async with self._changed:
            self.standing = name
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self.opened or self._permits > 0)
            self._permits -= 1
            self.standing = None
        return await call()

    async def permit(self) -> None:
        async with self._changed:
            self._permits += 1
            self.standing = None
            self._changed.notify_all()

    async def open(self) -> None:
        async with self._changed:
            self.opened = True
            self._changed.notify_all()

    async def arrival(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.standing is not None)


class GatedIndex:
    """The index as one handler sees it."""

    def __init__(self, inner: Any, gate: Gate) -> None:
        self._inner = inner
        self._gate = gate
        self.model: str = inner.model
        self.dimensions: int = inner.dimensions
        self.upserts: Callable[[Sequence[Upsert]], Awaitable[None]] = inner.upsert

    async def points(self, documents: Sequence[UUID]) -> dict[UUID, list[PointState]]:
        return await self._gate.pass_through("points", lambda: self._inner.points(documents))

    async def upsert(self, operations: Sequence[Upsert]) -> None:
        if operations:
            heads = any(point.payload[Field.PASSAGE] == 0 for operation in operations for point in operation.points)
            await self._gate.pass_through("heads" if heads else "passages", lambda: self.upserts(operations))

    async def refresh(self, changes: Sequence[Refresh]) -> None:
        if changes:
            await self._gate.pass_through("refresh", lambda: self._inner.refresh(changes))

    async def remove(self, removals: Sequence[Removal]) -> None:
        if removals:
            await self._gate.pass_through("remove", lambda: self._inner.remove(removals))


class GatedDocuments:
    def __init__(self, inner: Any, gate: Gate) -> None:
        self._inner = inner
        self._gate = gate

    @property
    def lateness(self) -> int:
        return self._inner.lateness  # type: ignore[no-any-return]  # the wrapped one is Any

    def segment(self, ref: Ref) -> int:
        return self._inner.segment(ref)  # type: ignore[no-any-return]  # the wrapped one is Any

    async def read(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        return await self._gate.pass_through("rows", lambda: self._inner.read(refs))

    async def read_serial(self, refs: Sequence[Ref]) -> Sequence[Row | None]:
        return await self._gate.pass_through("serial", lambda: self._inner.read_serial(refs))


class GatedOutbox:
    def __init__(self, inner: Any, gate: Gate) -> None:
        self._inner = inner
        self._gate = gate

    async def append(self, events: Sequence[ChangeEvent], due: int | None = None) -> None:
        await self._gate.pass_through("defer", lambda: self._inner.append(events, due))


class GatedEngine:
    """The engine as one handler sees it: documents and outbox behind the gate."""

    def __init__(self, inner: Any, gate: Gate) -> None:
        self.documents = GatedDocuments(inner.documents, gate)
        self.outbox = GatedOutbox(inner.outbox, gate)
        self.namespaces = inner.namespaces
        self.dead_letters = inner.dead_letters


class GatedEmbedder:
    """The embedder as one handler sees it."""

    def __init__(self, inner: Embedder, gate: Gate) -> None:
        self._inner = inner
        self._gate = gate
        self.model = inner.model
        self.dimensions = inner.dimensions
        self.max_texts = inner.max_texts
        self.max_tokens = inner.max_tokens

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return await self._gate.pass_through("embed", lambda: self._inner.embed_documents(texts))

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        return await self._inner.embed_query(text)

    async def aclose(self) -> None:
        await self._inner.aclose()


class GatedHandler:
    """One handler at work on one batch."""

    def __init__(self, gate: Gate, index: GatedIndex, indexer: Indexer, deliveries: Sequence[Delivery]) -> None:
        self._gate = gate
        self._index = index
        self._task = asyncio.create_task(indexer.index(deliveries))

    async def step(self, name: str | None = None) -> str:
        """Let the next step pass, and wait until it is done; gives its name."""
        standing = await self.next()
        assert standing is not None, f"the handler ended before {name}"
        assert name is None or standing == name, f"the next step is {standing}, not {name}"
        await self._gate.permit()
        await self.next()
        return standing

    async def next(self) -> str | None:
        """The step that it stands before; None once it has ended."""
        arrival = asyncio.create_task(self._gate.arrival())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({arrival, self._task}, return_when=asyncio.FIRST_COMPLETED)
        arrival.cancel()
        await asyncio.gather(arrival, return_exceptions=True)
        return None if self._task.done() else self._gate.standing

    async def until(self, name: str, *, times: int = 1) -> None:
        """Walk on to the next (or a later) step of this name, and stand before it."""
        for remaining in range(times, 0, -1):
            while (standing := await self.next()) != name:
                assert standing is not None, f"the handler ended before {name}"
                await self.step()
            if remaining > 1:
                await self.step(name)

    async def finish(self) -> list[Outcome]:
        """Let all the rest pass. Raises what the handler raised."""
        await self._gate.open()
        async with asyncio.timeout(PATIENCE):
            return await self._task

    def instead(self, upserts: Callable[[Sequence[Upsert]], Awaitable[None]]) -> None:
        """From now on its upserts go there: requests that are under way for long."""
        self._index.upserts = upserts

    async def crash(self) -> None:
        """The process dies here: the step that it stands before is not made."""
        await self.next()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
