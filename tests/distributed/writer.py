"""A process that only writes: `python -m tests.distributed.writer JOURNAL SEED`, until SIGTERM, configured by the environment."""

import asyncio
import json
import random
import signal
import sys
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import Any

from syncline_contracts.errors import SynclineError, WriteOutcomeUnknown
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER
from syncline_store import Store, open_store
from syncline_store.document import Row, Write, living
from syncline_store.engines.protocol import Stored
from syncline_sync_worker.config import load
from tests.distributed.journal import Journal, Told

TENANT, NAMESPACE = "acme", ("notes",)
DOCUMENTS = 200
TOGETHER = 4
"""Changes that a writer has under way at once."""
PAUSE = 0.12
"""Seconds between two changes of one of them, on average: the machine has more to do than this."""
HOUR = 3600
KINDS = ("put", "delete", "touch")
WEIGHTS = (65, 20, 15)
SHORT, LONG = 6, 700
"""Words of a document of one passage, and of one with several."""


class Writer:
    """Changes random documents, several at once, and writes down what it was told."""

    def __init__(self, store: Store, journal: Journal, seed: str) -> None:
        self._store = store
        self._view = store.tenant(TENANT)
        self._journal = journal
        self._seed = seed
        self._chance = random.Random(seed)
        self._numbers = count()

    async def write_until(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(TOGETHER):
                group.create_task(self._changes_until(stop))

    async def _changes_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            key = f"d{self._chance.randrange(DOCUMENTS):04d}"
            (kind,) = self._chance.choices(KINDS, WEIGHTS)
            change = f"{self._seed}-{next(self._numbers)}"
            if kind == "put":
                await self._told(change, key, kind, self._put(change, key))
            elif kind == "delete":
                await self._told(change, key, kind, self._delete(key))
            elif (row := await self._refreshable(key)) is not None:
                await self._told(change, key, kind, self._touch(row))
            await asyncio.sleep(self._chance.uniform(0, 2 * PAUSE))

    async def _told(self, change: str, key: str, kind: str, making: Coroutine[Any, Any, tuple[int, int]]) -> None:
        self._journal.begin(change, key, kind)
        try:
            revision, expires_at = await making
        except WriteOutcomeUnknown as error:
            self._journal.end(change, Told.UNKNOWN, error.revision, problem=str(error))
        except SynclineError as error:
            self._journal.end(change, Told.FAILED, problem=str(error))
        else:
            self._journal.end(change, Told.STORED, revision, expires_at)

    async def _put(self, change: str, key: str) -> tuple[int, int]:
        words = (f"word{self._chance.randrange(1000)}" for _ in range(LONG if self._chance.random() < 0.05 else SHORT))
        ttl = HOUR if self._chance.random() < 0.3 else None
        began = self._store.parts.clock.now()
        revision = await self._view.put(NAMESPACE, key, {"id": change, "text": " ".join(words)}, ttl=ttl)
        return revision, NEVER if ttl is None else began + ttl * 1_000_000

    async def _delete(self, key: str) -> tuple[int, int]:
        return await self._view.delete(NAMESPACE, key), NEVER

    async def _refreshable(self, key: str) -> Row | None:
        """A living row whose life ends. Reading it may fail while the servers are away."""
        parts = self._store.parts
        try:
            (row,) = await parts.engine.documents.read([Ref(TENANT, NAMESPACE, key)])
        except SynclineError:
            return None
        row = living(row, parts.clock.now())
        return None if row is None or row.expires_at == NEVER else row

    async def _touch(self, row: Row) -> tuple[int, int]:
        """As a refreshed life is written: the same columns at the same revision, with a later end."""
        parts = self._store.parts
        now = parts.clock.now()
        ttl = (row.expires_at - now) // 1_000_000 + self._chance.randrange(60, 600)
        expires_at = now + ttl * 1_000_000
        event = ChangeEvent.of(row.ref, row.revision, Kind.TOUCH, first_at=now, expires_at=expires_at)
        event = event.model_copy(update={"id": row.write_id})
        (outcome,) = await parts.engine.documents.write([Write(row.value, row.content_hash, row.index_spec, event, ttl)])
        if outcome != Stored():
            raise WriteOutcomeUnknown(row.ref, row.revision, str(outcome))
        return row.revision, expires_at


async def main(journal: Path, seed: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with Journal(journal) as kept:
        async with open_store(load()) as store:
            await Writer(store, kept, seed).write_until(stop)
    sys.stdout.write(json.dumps({"ended": seed}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
