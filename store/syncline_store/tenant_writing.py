"""How a tenant's writes go: counted against its rate, its quota asked for room, written, and brought into the index where puts do that."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from syncline_contracts.errors import SynclineError
from syncline_store.conditional import Applied, Condition, Outcome
from syncline_store.conditional_writing import ConditionalWriter
from syncline_store.document import Write
from syncline_store.inline import InlineIndexing
from syncline_store.quotas import Quotas
from syncline_store.rates import WRITES, Rates
from syncline_store.tracing import span
from syncline_store.writing import Draft, Writer


@dataclass(frozen=True, slots=True)
class TenantWriting:
    """The writes of all tenants of a store; each draft says whose it is."""

    writer: Writer
    conditional: ConditionalWriter
    inline: InlineIndexing | None
    rates: Rates
    quotas: Quotas

    async def write(self, operation: str, draft: Draft) -> int:
        """Write it whatever is there; its revision. Raises what `TenantView.put` does."""
        self.rates.take(draft.ref.tenant, WRITES)
        with span(operation, tenant=draft.ref.tenant):
            await self.open()
            with await self.quotas.take_one(draft):
                (write,) = await self.writer.prepare([draft])
                return await self.finish(write)

    async def write_if(self, operation: str, draft: Draft, condition: Condition) -> Outcome:
        """Write it on a condition. Raises what `TenantView.put_if_absent` does."""
        self.rates.take(draft.ref.tenant, WRITES)
        with span(operation, tenant=draft.ref.tenant):
            await self.open()
            with await self.quotas.take_one(draft) as taken:
                landed = await self.conditional.write(draft, condition)
                if isinstance(landed, Write):
                    return Applied(await self._show(landed))
                taken.give_back()
                return landed

    async def write_some(self, tenant: str, drafts: Sequence[Draft | SynclineError]) -> Sequence[int | SynclineError]:
        """One chunk of a put_many, rates already counted: the revision of each, or its error."""
        try:
            taken = await self.quotas.take(tenant, drafts)
        except SynclineError as error:
            return [error if isinstance(draft, Draft) else draft for draft in drafts]
        with taken:
            results = await self._write_all(taken.drafts)
            taken.end(results)
            return results

    async def finish(self, write: Write) -> int:
        """Have it stored, and indexed where that is ours; its revision."""
        await self.writer.land(write)
        return await self._show(write)

    async def open(self) -> None:
        """The index is opened before anything is written."""
        if self.inline is not None:
            await self.inline.open()

    async def _show(self, write: Write) -> int:
        if self.inline is not None:
            await self.inline.index(write)
        return write.revision

    async def _write_all(self, drafts: Sequence[Draft | SynclineError]) -> Sequence[int | SynclineError]:
        good = [draft for draft in drafts if isinstance(draft, Draft)]
        try:
            writes = iter(await self.writer.prepare(good))
        except SynclineError as error:
            return [error if isinstance(draft, Draft) else draft for draft in drafts]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._finish_or_error(next(writes))) if isinstance(draft, Draft) else draft for draft in drafts]
        return [task.result() if isinstance(task, asyncio.Task) else task for task in tasks]

    async def _finish_or_error(self, write: Write) -> int | SynclineError:
        try:
            return await self.finish(write)
        except SynclineError as error:
            return error
