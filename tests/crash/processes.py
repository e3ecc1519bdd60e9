"""The processes that are killed. Each is a function of picklable arguments, run by multiprocessing's forkserver."""

import asyncio
import json
import os
import random
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncline_contracts.errors import NotYetIndexed, WriteOutcomeUnknown
from syncline_contracts.revision import Clock
from syncline_store import Store, open_store
from syncline_store.embedding.protocol import Vectors
from syncline_store.engines.sqlite import SqliteEngine, open_sqlite
from syncline_store.parts import Parts, open_parts
from syncline_store.settings import StoreSettings
from syncline_store.testing import WordEmbedder
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.relay import Relay, RelaySettings
from syncline_sync_worker.transport import DirectPublisher
from tests.crash.stages import Stages

NAMESPACE = ("crash",)
TENANT = "acme"
TOGETHER = 16
"""Puts that a writer has under way at once."""
LONG = 0.1
"""The share of documents that have several passages."""
RELAY = RelaySettings(
    page=64, hot_interval=0.01, idle_interval=0.05, lease_life=0.5, checkpoint_every=0.05, short_every=0.1, long_every=0.1
)


@dataclass(frozen=True)
class Place:
    """Where everything of one test lies."""

    folder: Path
    indexing: str
    server: str | None = None
    """The index's URL; None: a local one."""

    @property
    def settings(self) -> StoreSettings:
        return StoreSettings.model_validate(
            {
                "store": f"sqlite:///{self.folder / 'documents.db'}",
                "index": self.server or f"path:{self.folder / 'index'}",
                "indexing": self.indexing,
                "catch_up_interval": 0.2,
                "indexing_settings": {"passage_tokens": 16},
            }
        )

    @property
    def log(self) -> Path:
        return self.folder / "acknowledged.jsonl"

    def stages(self, name: str) -> Stages:
        return Stages(self.folder / f"{name}.stages")

    def errors(self, name: str) -> Path:
        return self.folder / f"{name}.errors"


class SlowEmbedder(WordEmbedder):
    """Takes a moment, as a model does."""

    def __init__(self) -> None:
        super().__init__(32)

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        await asyncio.sleep(0.002)
        return await super().embed_documents(texts)


# ------------------------------------------------------------------ entry points


def writer(place: Place, numbers: Sequence[int], seed: int) -> None:
    run_in_child(place, "writer", _write_alone(place, numbers, seed))


def relay(place: Place) -> None:
    run_in_child(place, "relay", _relay(place))


def inline(place: Place, numbers: Sequence[int], seed: int) -> None:
    run_in_child(place, "inline", _write_inline(place, numbers, seed))


def run_in_child(place: Place, name: str, work: Coroutine[Any, Any, None]) -> None:
    """What goes wrong in a child is read by the parent."""
    with place.errors(name).open("a", buffering=1) as errors:
        os.dup2(errors.fileno(), sys.stderr.fileno())
        os.dup2(errors.fileno(), sys.stdout.fileno())
        asyncio.run(work)


# ------------------------------------------------------------------ what they do


async def _write_alone(place: Place, numbers: Sequence[int], seed: int) -> None:
    """Only writes: takes no lock on the index."""
    stages = place.stages("writer")
    engine = await watched_engine(place, stages)
    async with open_store(place.settings, engine=engine) as store:
        await write(store, place, numbers, seed, for_ever=True)


async def _write_inline(place: Place, numbers: Sequence[int], seed: int) -> None:
    """Writes, indexes and catches up in one process."""
    stages = place.stages("inline")
    engine = await watched_engine(place, stages)
    async with open_store(place.settings, embedder=SlowEmbedder(), engine=engine) as store:
        await watch_index(store.parts, stages)
        stages.watch(await store.parts.indexer(), "index", "publish")
        await write(store, place, numbers, seed, for_ever=True)


async def _relay(place: Place) -> None:
    stages = place.stages("relay")
    engine = await watched_engine(place, stages)
    parts = await open_parts(place.settings, embedder=SlowEmbedder(), engine=engine)
    await watch_index(parts, stages)
    await (await make_relay(parts, stages)).run(asyncio.Event())


async def watched_engine(place: Place, stages: Stages) -> SqliteEngine:
    engine = await open_sqlite(place.settings.sqlite_path, clock=Clock())
    stages.watch(engine.documents, "write", "commit")
    stages.watch(engine.leases, "checkpoint", "mark")
    return engine


async def watch_index(parts: Parts, stages: Stages) -> None:
    stages.watch(parts.embedder, "embed_documents", "embed")
    stages.watch(await parts.index(), "upsert", "upsert")


async def make_relay(parts: Parts, stages: Stages | None = None) -> Relay:
    handler = Handler(await parts.indexer(), parts.engine.dead_letters, clock=parts.clock)
    publisher = DirectPublisher(handler, max_batch=64)
    if stages is not None:
        stages.watch(publisher, "publish", "publish")
    return Relay(parts.engine, publisher, clock=parts.clock, settings=RELAY)


# ------------------------------------------------------------------ writing


async def write(store: Store, place: Place, numbers: Sequence[int], seed: int, *, for_ever: bool = False) -> None:
    """Put these documents, changing and deleting others in between; then, until killed, change and delete on, at a calm pace."""
    chance = random.Random(seed)
    log = os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        for start in range(0, len(numbers), TOGETHER):
            batch = numbers[start : start + TOGETHER]
            others = [chance.randrange(max(numbers) + 1) for _ in batch[::3]]
            await asyncio.gather(
                *(_put(store, log, number, chance) for number in batch), *(_change(store, log, number, chance) for number in others)
            )
        while for_ever:
            await _change(store, log, chance.randrange(max(numbers, default=0) + 1), chance)
            await asyncio.sleep(0.005)
    finally:
        os.close(log)


async def _change(store: Store, log: int, number: int, chance: random.Random) -> None:
    if chance.random() < 0.5:
        await _put(store, log, number, chance)
    else:
        await _acknowledged(store.tenant(TENANT).delete(NAMESPACE, key_of(number)), log, number, deleted=True)


async def _put(store: Store, log: int, number: int, chance: random.Random) -> None:
    words = [f"word{chance.randrange(1000)}" for _ in range(30 if chance.random() < LONG else 4)]
    value = {"text": f"document {number} says {' '.join(words)}", "number": number}
    await _acknowledged(store.tenant(TENANT).put(NAMESPACE, key_of(number), value), log, number, deleted=False)


async def _acknowledged(change: Coroutine[Any, Any, int], log: int, number: int, *, deleted: bool) -> None:
    """Log it once it is acknowledged. What is stored but not indexed yet is acknowledged as stored."""
    try:
        revision = await change
    except NotYetIndexed as later:
        revision = later.revision
    except WriteOutcomeUnknown:
        return
    os.write(log, (json.dumps({"number": number, "revision": revision, "deleted": deleted}) + "\n").encode())


def key_of(number: int) -> str:
    return f"d{number:05d}"
