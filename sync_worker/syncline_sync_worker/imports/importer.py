"""Writes what files hold into the store, and leaves alone what it holds already."""

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from syncline_contracts.errors import InvalidInput, SynclineError
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER
from syncline_store.document import Row, content_hash, living
from syncline_store.drafts import Put
from syncline_store.engines.protocol import Engine
from syncline_store.limits import checked_index, checked_ref, checked_value
from syncline_store.settings import LimitSettings
from syncline_store.tenant import TenantView
from syncline_sync_worker.imports.item import Item, Problem

CHUNK = 128
CHUNK_BYTES = 8_000_000
"""How much is read, compared and written together: what memory must bear."""
SECOND = 1_000_000
_SHOWN = 100
"""Problems that are kept in words; the others are counted."""


@dataclass(slots=True)
class Imported:
    """How an import went."""

    written: int = 0
    unchanged: int = 0
    expired: int = 0
    """Documents of an export whose time is over: nobody would see them."""
    failed: int = 0
    problems: list[Problem] = field(default_factory=list)
    """The first hundred."""
    namespaces: set[tuple[str, ...]] = field(default_factory=set)
    stopped: bool = False
    """It was asked to stop before all was read."""

    @property
    def read(self) -> int:
        """Documents that were read."""
        return self.written + self.unchanged + self.expired

    def fail(self, problem: Problem) -> None:
        """Count a file or line that was left out."""
        self.failed += 1
        if len(self.problems) < _SHOWN:
            self.problems.append(problem)


@dataclass(frozen=True, slots=True)
class _Wanted:
    item: Item
    ref: Ref
    content_hash: bytes
    index_spec: str

    def is_held(self, row: Row | None) -> bool:
        """Whether writing it would change nothing. An expiry is kept to the second."""
        if row is None or (row.content_hash, row.index_spec) != (self.content_hash, self.index_spec):
            return False
        expires_at = NEVER if self.item.expires_at is None else self.item.expires_at
        return abs(row.expires_at - expires_at) <= 2 * SECOND


class Importer:
    """Writes items through a tenant's view of the store. A document whose content is stored already is not written."""

    def __init__(self, view: TenantView, engine: Engine, *, tenant: str, now: Callable[[], int], limits: LimitSettings) -> None:
        self._view = view
        self._engine = engine
        self._tenant = tenant
        self._now = now
        self._limits = limits

    async def run(self, items: Iterator[Item | Problem], *, stop: asyncio.Event, advance: Callable[[int], None]) -> Imported:
        """Import all of it, or as far as `stop` lets it. `advance` is told how many more items were dealt with."""
        outcome = Imported()
        while chunk := await _next(items, CHUNK):
            await self._import(chunk, outcome)
            advance(len(chunk))
            if stop.is_set():
                outcome.stopped = bool(await _next(items, 1))
                break
        return outcome

    async def _import(self, chunk: list[Item | Problem], outcome: Imported) -> None:
        wanted = [known for known in (self._wanted(item, outcome) for item in chunk) if known is not None]
        rows = await self._engine.documents.read([one.ref for one in wanted])
        now = self._now()
        changed = []
        for one, row in zip(wanted, rows, strict=True):
            outcome.namespaces.add(one.ref.namespace)
            if _expired(one.item, now):
                outcome.expired += 1
            elif one.is_held(living(row, now)):
                outcome.unchanged += 1
            else:
                changed.append(one)
        await self._write(changed, now)
        outcome.written += len(changed)

    def _wanted(self, item: Item | Problem, outcome: Imported) -> _Wanted | None:
        if isinstance(item, Problem):
            outcome.fail(item)
            return None
        try:
            ref = checked_ref(self._tenant, item.namespace, item.key, self._limits)
            return _Wanted(item, ref, content_hash(checked_value(item.value, self._limits)), checked_index(item.index))
        except InvalidInput as error:
            outcome.fail(Problem(item.origin, str(error)))
            return None

    async def _write(self, changed: list[_Wanted], now: int) -> None:
        puts = (Put(one.ref.namespace, one.ref.key, one.item.value, index=one.item.index, ttl=_ttl(one.item, now)) for one in changed)
        for result in await self._view.put_many(puts):
            if isinstance(result, SynclineError):
                raise result


def _expired(item: Item, now: int) -> bool:
    return item.expires_at is not None and item.expires_at <= now


def _ttl(item: Item, now: int) -> float | None:
    if item.expires_at is None:
        return None
    return math.inf if item.expires_at == NEVER else (item.expires_at - now) / SECOND


async def _next(items: Iterator[Item | Problem], count: int) -> list[Item | Problem]:
    """Files are read on a thread of their own."""
    return await asyncio.to_thread(lambda: list(_some(items, count)))


def _some(items: Iterator[Item | Problem], count: int) -> Iterator[Item | Problem]:
    size = 0
    for item in islice(items, count):
        yield item
        size += item.size if isinstance(item, Item) else 0
        if size >= CHUNK_BYTES:
            return
