"""How much a tenant may hold. Refused before anything is written; what shrinks it never is.

What a write adds is told from the row that is there, so a tenant with a quota pays a read for each write; one without pays nothing.
Soft: two processes know of each other's writes by counting alone, and while the first count is under way for long, writes pass.
"""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from syncline_contracts.errors import NotYetIndexed, QuotaExceeded, SynclineError, WriteOutcomeUnknown
from syncline_contracts.identity import SYSTEM_TENANT, Ref
from syncline_store.document import living
from syncline_store.engines.protocol import Amount
from syncline_store.parts import Parts
from syncline_store.settings import Quota
from syncline_store.usage import NOTHING, Holding, Holdings, Usage
from syncline_store.writing import Draft

PATIENCE = 5.0
"""Seconds from its begin that writes wait for a count without which they cannot be judged."""
STALE = 60.0
"""Seconds after which writes have it counted again, without waiting for it."""
_WRITTEN = (NotYetIndexed, WriteOutcomeUnknown)
"""Errors after which the document is stored, or perhaps."""
_UNBOUND = Quota()


class Taken:
    """Room for some writes, given back where they come to nothing. A context: what is not said by its end was written, or perhaps.

    `drafts` are those given, with an error in the place of each that there is no room for.
    """

    def __init__(self, drafts: Sequence[Draft | SynclineError], holding: Holding | None = None, growth: Sequence[Amount] = ()) -> None:
        self.drafts = drafts
        self._holding = holding
        self._growth = growth

    def end(self, results: Sequence[object]) -> None:
        """What became of each, in order: errors tell by their class whether anything was written. Only the first call counts."""
        holding, self._holding = self._holding, None
        if holding is not None:
            for growth, result in zip(self._growth, results, strict=True):
                holding.end(growth, written=not isinstance(result, SynclineError) or isinstance(result, _WRITTEN))

    def give_back(self) -> None:
        """Certainly nothing was written."""
        holding, self._holding = self._holding, None
        if holding is not None:
            for growth in self._growth:
                holding.end(growth, written=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end([error] * len(self._growth))


class Quotas:
    """Those of one store. Once a tenant was counted, what one process writes never takes it beyond its quota."""

    def __init__(self, parts: Parts) -> None:
        settings, documents = parts.settings.quotas, parts.engine.documents
        self._everybody = Quota(documents=settings.documents, bytes=settings.bytes)
        self._own = {tenant: settings.of(tenant) for tenant in settings.tenants} | {SYSTEM_TENANT: _UNBOUND}
        self._documents = documents
        self._now = parts.clock.now
        self._holdings = Holdings(documents, self._now)

    async def usage(self, tenant: str) -> Usage:
        """What the tenant holds. Raises StorageUnavailable."""
        return await self._holdings.usage(tenant)

    async def take_one(self, draft: Draft) -> Taken:
        """Room for one write. Raises QuotaExceeded, StorageUnavailable."""
        taken = await self.take(draft.ref.tenant, [draft])
        (kept,) = taken.drafts
        if isinstance(kept, SynclineError):
            raise kept
        return taken

    async def take(self, tenant: str, drafts: Sequence[Draft | SynclineError]) -> Taken:
        """Room for these in their order, as far as there is any: QuotaExceeded stands for each of the others. Raises StorageUnavailable."""
        quota = self._own.get(tenant, self._everybody)
        if quota == _UNBOUND:
            return Taken(drafts)
        held = await self._held([draft.ref for draft in drafts if isinstance(draft, Draft)])
        holding = self._holdings.of(tenant)
        await _counted(holding, quota, _most(drafts, held))
        kept, growth = [], []
        for draft in drafts:  # nothing is awaited from the first verdict to the last room taken
            more = _growth(draft, held)
            error = _refused(tenant, quota, holding.amount, more)
            kept.append(error or draft)
            growth.append(more if error is None else NOTHING)
            if isinstance(draft, Draft) and error is None:
                holding.reserve(more)
                held[draft.ref] = _size(draft.value)
        return Taken(kept, holding, growth)

    async def aclose(self) -> None:
        """Give up what is being counted."""
        await self._holdings.aclose()

    async def _held(self, refs: Sequence[Ref]) -> dict[Ref, Amount]:
        rows, now = await self._documents.read(refs), self._now()
        return {ref: NOTHING if living(row, now) is None or row is None else _size(row.value) for ref, row in zip(refs, rows, strict=True)}


async def _counted(holding: Holding, quota: Quota, most: Amount) -> None:
    """Have it counted where that may change the verdict; in time where it does not seem so. What only shrinks waits for nothing."""
    if most == NOTHING:
        return
    if holding.amount is None or _beyond(quota, holding.amount, most) is not None:
        holding.count_after(0)
        await holding.settled(PATIENCE)
    else:
        holding.count_after(STALE)


def _most(drafts: Sequence[Draft | SynclineError], held: Mapping[Ref, Amount]) -> Amount:
    """What they add at most, where none of those that shrink something is written."""
    growths = [_growth(draft, held) for draft in drafts]
    return Amount(sum(max(0, each.documents) for each in growths), sum(max(0, each.bytes) for each in growths))


def _growth(draft: Draft | SynclineError, held: Mapping[Ref, Amount]) -> Amount:
    return _size(draft.value).minus(held[draft.ref]) if isinstance(draft, Draft) else NOTHING


def _size(value: str | None) -> Amount:
    return NOTHING if value is None else Amount(1, len(value) if value.isascii() else len(value.encode()))


def _refused(tenant: str, quota: Quota, used: Amount | None, more: Amount) -> QuotaExceeded | None:
    """Why there is no room. What is not counted yet is let pass."""
    if used is None or (which := _beyond(quota, used, more)) is None:
        return None
    return QuotaExceeded(tenant, which, limit=getattr(quota, which), used=getattr(used, which), wanted=getattr(more, which))


def _beyond(quota: Quota, used: Amount, more: Amount) -> str | None:
    """Which of the two would grow beyond its limit; what does not grow is never in the way."""
    for which, limit, has, wanted in zip(Amount._fields, (quota.documents, quota.bytes), used, more, strict=True):
        if limit is not None and wanted > 0 and has + wanted > limit:
            return which
    return None
