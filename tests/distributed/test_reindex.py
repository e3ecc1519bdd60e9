"""A migration to another model under relay and workers with Kafka: they follow the alias, or end and say what to set; nothing is lost.

Docs: decision 0013, operations/reindex.md. Searchers, and the same without Kafka, are in tests/integration/test_reindex_processes.py.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from syncline_store.indexing.every import LOOK_EVERY
from syncline_store.parts import Parts, open_parts
from syncline_store.store import Store
from syncline_sync_worker.config import load
from tests.parts.consuming import until
from tests.parts.migrating import Migrating
from tests.parts.servers import cql
from tests.parts.stack import QUICK, Servers, Stack, open_stack

pytestmark = pytest.mark.timeout(300)

OLD, NEW = "wordllama:256", "wordllama:64"
NEW_ID = "wordllama/l2_supercat-64"
NOTES = ("notes",)
DOCUMENTS = 40
DEADLINE = 60.0
SETTINGS = {**QUICK, "SYNCLINE_RECONCILE__DELAY": "0.2", "SYNCLINE_RECONCILE__SETTLE": "0.5", "SYNCLINE_HANDLING__RETRY_FOR": "0.5"}


class Migration:
    """A deployment whose processes get other settings one after the other, and what its writer was told."""

    def __init__(self, stack: Stack, parts: Parts) -> None:
        self._stack = stack
        self._store = Store(parts)
        self._parts = parts
        self._expected: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, servers: Servers) -> AsyncIterator["Migration"]:
        with open_stack(folder, servers, SETTINGS) as stack:
            with patch.dict(os.environ, {**stack.environment, **named(OLD, NEW)}):
                parts = await open_parts(load())
            migration = cls(stack, parts)
            try:
                yield migration
            finally:
                await migration._store.aclose()
                stack.close()
                cql.drop(stack.name)

    async def begin(self, name: str, embedder: str = OLD, following: str | None = None) -> None:
        """A relay or a worker; returns once it is ready."""
        self._give(embedder, following)
        self._stack.begin(name, name.partition("-")[0])
        await asyncio.to_thread(self._stack.wait_for, name)

    async def reindex(self, *args: str, embedder: str = OLD, following: str | None = NEW) -> dict[str, Any]:
        self._give(embedder, following)
        done = await asyncio.to_thread(self._stack.run, "reindex", *args, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def runs(self, name: str) -> bool:
        return self._stack.is_running(name)

    def told(self, name: str) -> str:
        return self._stack.log(name)

    def exit_code(self, name: str) -> int | None:
        return self._stack.exit_code(name)

    async def end(self, name: str) -> None:
        await asyncio.to_thread(self._stack.end, name)

    async def put(self, key: str) -> None:
        await self._store.tenant("acme").put(NOTES, key, {"text": f"A note about {key}."})
        self._expected.add(key)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """New documents, new texts and deletions as long as the block runs."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(stop))
            try:
                yield
            finally:
                stop.set()

    async def _write(self, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            key = f"n{number % DOCUMENTS}"
            if number % 7 == 6 and key in self._expected:
                await self._store.tenant("acme").delete(NOTES, key)
                self._expected.discard(key)
            else:
                await self.put(key)
            number += 1
            await asyncio.sleep(0.02)

    async def in_step(self, *models: str) -> None:
        """Returns once the collections of these models hold what was written, and nothing else."""
        indexes = dict(zip((OLD, NEW), await self._parts.indexes(), strict=True))
        differ: dict[str, set[str]] = {}
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    found = {model: await Migrating.living(indexes[model]) for model in models}
                    differ = {model: keys ^ self._expected for model, keys in found.items() if keys != self._expected}
                    if not differ:
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"what differs: {differ}") from None

    async def letters(self) -> int:
        return len((await self._parts.engine.dead_letters.scan(None, 10)).items)

    def _give(self, embedder: str, following: str | None) -> None:
        self._stack.environment.pop("SYNCLINE_NEXT__EMBEDDER", None)
        self._stack.environment.update(named(embedder, following))


def named(embedder: str, following: str | None) -> dict[str, str]:
    return {"SYNCLINE_EMBEDDER": embedder, **({} if following is None else {"SYNCLINE_NEXT__EMBEDDER": following})}


async def test_workers_follow_the_alias_or_end_and_nothing_is_lost(tmp_path: Path, servers: Servers) -> None:
    async with Migration.open(tmp_path, servers) as migration:
        await migration.begin("relay")
        await migration.begin("worker-forgotten")
        async with migration.writing():
            assert (await migration.reindex("build"))["complete"]
        await migration.in_step(OLD)  # the build is over, and what it does not know of yet was handled by a worker without `next`
        assert (await migration.reindex("build"))["complete"]
        assert (await migration.reindex("switch"))["switched"]
        await asyncio.sleep(LOOK_EVERY)
        assert migration.runs("worker-forgotten")
        await migration.put("after-the-switch")
        await until(lambda: not migration.runs("worker-forgotten"), DEADLINE)
        assert migration.exit_code("worker-forgotten") == 2
        assert "`next`" in migration.told("worker-forgotten")

        await migration.begin("worker-told", NEW, OLD)
        await migration.in_step(OLD, NEW)
        async with migration.writing():
            assert (await migration.reindex("rollback", embedder=NEW, following=OLD))["switched"]
        await migration.in_step(OLD, NEW)
        assert migration.runs("worker-told")

        await migration.reindex("drop", NEW_ID, "--yes", following=None)
        await migration.put("after-the-drop")
        await until(lambda: "is gone" in migration.told("worker-told"), DEADLINE)
        assert migration.runs("worker-told")
        await migration.end("worker-told")
        await migration.begin("worker-after")
        await migration.in_step(OLD)
        assert await migration.letters() == 0
