"""Relays, workers and writers as processes, and an operator's look at both sides."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self
from unittest.mock import patch

from syncline_contracts.revision import now_us
from syncline_store.engines.protocol import Pos
from syncline_store.parts import Parts, open_parts
from syncline_sync_worker.config import Configuration, load
from tests.distributed import truth
from tests.distributed.journal import Reader, Told
from tests.parts.consuming import until
from tests.parts.servers import cql
from tests.parts.servers.process import NoServerError
from tests.parts.stack import Servers, Stack, open_stack
from tests.parts.topics import records

RELAYS, WORKERS, WRITERS = ("relay-0", "relay-1"), ("worker-0", "worker-1"), ("writer-0", "writer-1")
DEADLINE = 90.0
FRESH = 30


class Deployment:
    """Names say what a process is: `relay-0`, `worker-1`, `writer-0`."""

    def __init__(self, stack: Stack, parts: Parts, configuration: Configuration) -> None:
        self.stack = stack
        self.parts = parts
        self.configuration = configuration
        self._seeds = 0
        self._journals = Reader(stack.folder)

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, servers: Servers, settings: Mapping[str, str]) -> AsyncIterator[Self]:
        """Migrated, and everything runs. Whatever runs at the end is killed."""
        with open_stack(folder, servers, settings) as stack:
            with patch.dict(os.environ, stack.environment):
                configuration = load()
            parts = await open_parts(configuration)
            try:
                deployment = cls(stack, parts, configuration)
                deployment.begin(*RELAYS, *WORKERS, *WRITERS)
                deployment.ready(*RELAYS, *WORKERS)
                yield deployment
            finally:
                await parts.aclose()
                stack.close()
                cql.drop(stack.name)

    def begin(self, *names: str) -> None:
        """Start them."""
        for name in names:
            kind = name.partition("-")[0]
            if kind == "writer":
                self._begin_writer(name)
            else:
                self.stack.begin(name, kind)

    def ready(self, *names: str) -> None:
        """Returns once those of them that say whether they are ready are. Raises NoServerError."""
        self.stack.wait_for(*(name for name in names if name not in WRITERS))

    def _begin_writer(self, name: str) -> None:
        self._seeds += 1
        seed = f"{name}-{self._seeds}"
        self.stack.begin_program(name, "tests.distributed.writer", str(self.stack.folder / f"{seed}.journal"), seed)

    def count(self, told: Told) -> int:
        """How many changes ended so up to now."""
        return truth.count(self._journals.changes, told)

    async def writing(self, more: int = FRESH) -> None:
        """Returns once so many more changes were acknowledged."""
        wanted = self.count(Told.STORED) + more
        await until(lambda: self.count(Told.STORED) >= wanted, DEADLINE)

    async def indexing(self) -> None:
        """Returns once the index holds all that was acknowledged up to now, or what came after it."""
        await truth.in_index(self.parts, truth.newest(self._journals.changes), DEADLINE)

    async def settled(self) -> None:
        """The writers end; everything that they were told holds on both sides, and nothing became a dead letter."""
        self.stack.end(*WRITERS)
        rows = await truth.in_step(self.parts, DEADLINE)
        truth.assert_kept(self._journals.changes, rows)
        assert 0 < sum(row.deleted for row in rows.values()) < len(rows)
        assert (await self.parts.engine.dead_letters.scan(None, 1)).items == []
        assert self.configuration.kafka is not None
        assert await records(self.configuration.kafka, self.configuration.kafka.dead_letters.name) == []

    async def reconciled(self) -> None:
        """`syncline reconcile check` finds both sides in step, and leaves nothing out as too young."""
        await self._marks_passed_everything()
        quick = {"SYNCLINE_CQL__OUTBOX_LATENESS": "0.1"}  # no server failed: what surfaces did so at once
        told = await asyncio.to_thread(self.stack.run, "reconcile", "check", "--sample", "1", "--settle", "0.1", "--json", **quick)
        assert told.returncode == 0, told.stdout + told.stderr
        report = json.loads(told.stdout)
        assert (report["verdict"], report["young"]) == ("in_step", 0)
        assert report["documents"] == len(await truth.stored(self.parts))

    async def _marks_passed_everything(self) -> None:
        engine, now = self.parts.engine, Pos(now_us())
        async with asyncio.timeout(DEADLINE):
            for shard in range(engine.outbox.shards):
                while await engine.outbox.read(shard, (await engine.leases.marks())[shard] or Pos(0), now, 1):  # noqa: ASYNC110 - marks tell nobody
                    await asyncio.sleep(0.2)

    def holders(self) -> dict[int, str | None]:
        """Which relay's process holds each shard; None for one that is no relay of ours (any more)."""
        pids = {str(self.stack.pid(name)): name for name in RELAYS if self.stack.is_running(name)}
        found = cql.admin().execute(f"SELECT shard, holder FROM {self.stack.name}.leases")
        return {shard: pids.get(owner.split(":")[1]) if owner else None for shard, owner in found}

    @asynccontextmanager
    async def marks_only_go_forward(self) -> AsyncIterator[None]:
        """Read throughout the block."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_marks(stop))
            try:
                yield
            finally:
                stop.set()

    async def _watch_marks(self, stop: asyncio.Event) -> None:
        before = await self.parts.engine.leases.marks()
        while not stop.is_set():
            await asyncio.sleep(0.1)
            now = await self.parts.engine.leases.marks()
            back = [shard for shard, mark in before.items() if mark is not None and (now[shard] or Pos(0)) < mark]
            assert not back, f"marks went back: {before} -> {now}"
            before = now

    def assert_all_run(self) -> None:
        """None ended by itself."""
        for name in (*RELAYS, *WORKERS, *WRITERS):
            if not self.stack.is_running(name):
                raise NoServerError(f"{name} ended by itself:\n{self.stack.tail(name)}")
