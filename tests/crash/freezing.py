"""Relays as processes that are frozen and go on: each writes down what it published, and takes a moment for it."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from syncline_contracts.revision import Clock
from syncline_store.engines.cql import CqlSettings, open_cql
from syncline_store.engines.protocol import Engine, OutboxRow
from syncline_store.engines.sqlite import open_sqlite
from syncline_sync_worker.relay import Relay, RelaySettings
from tests.crash.processes import Place, run_in_child
from tests.crash.stages import Stages

LIFE = 1.0
"""Seconds that a lease lives."""
SETTINGS = RelaySettings(
    page=16, hot_interval=0.01, idle_interval=0.05, lease_life=LIFE, checkpoint_every=0.02, short_every=0.05, long_every=0.05
)


@dataclass(frozen=True)
class Storage:
    """Where the outbox is: a file in the folder, or a keyspace."""

    folder: Path
    cql: CqlSettings | None

    async def open(self) -> Engine:
        if self.cql is not None:
            return await open_cql(self.cql, clock=Clock())
        return await open_sqlite(str(self.folder / "outbox.db"), clock=Clock(), shards=1)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.published"

    def published(self, name: str) -> list[str]:
        """The keys of what this relay published, in order."""
        log = self.log(name)
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


class WritesDown:
    """Publishing is a line in a file, which outlives any freeze."""

    def __init__(self, log: Path) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        os.write(self._log, "".join(json.dumps(row.event.key) + "\n" for row in rows).encode())

    async def aclose(self) -> None:
        os.close(self._log)


def relay(place: Place, name: str, storage: Storage) -> None:
    run_in_child(place, name, _relay(place.stages(name), name, storage))


async def _relay(stages: Stages, name: str, storage: Storage) -> None:
    engine = await storage.open()
    stages.watch(engine.leases, "checkpoint", "mark")
    publisher = WritesDown(storage.log(name))
    stages.watch(publisher, "publish", "publish")
    await Relay(engine, publisher, clock=Clock(), settings=SETTINGS, owner=name).run(asyncio.Event())
