"""A migration with everything going on: a writer, searchers and `syncline run` as a process, on a Qdrant server by URL."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from syncline_store import Store, open_store
from syncline_store.indexing.every import LOOK_EVERY
from tests.parts.consuming import until
from tests.parts.migrating import Migrating
from tests.parts.servers.forked import SYNCLINE, Forked, ran
from tests.parts.servers.qdrant import QdrantServer

pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = "wordllama:256", "wordllama:64"
NOTES = ("notes",)
WHALE = "The blue whale is the largest animal that has ever lived in the sea."
QUESTION = "the largest animal in the sea"
DOCUMENTS = 300
LONG = 60.0


class Deployment:
    """One store and one server's collection; settings differ from process to process, as they do while they are rolled out."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self.settings = {"store": f"sqlite:///{folder / 'documents.db'}", "index": url, "collection": f"test-{uuid4().hex}"}
        self.searches: Counter[str] = Counter()

    def environment(self, embedder: str, following: str | None) -> dict[str, str]:
        given = {**self.settings, "embedder": embedder, **({} if following is None else {"next__embedder": following})}
        named = {f"SYNCLINE_{name.upper()}": value for name, value in given.items()}
        return {**named, "PYTHONPATH": str(ROOT), "SYNCLINE_RECONCILE__DELAY": "0.2", "SYNCLINE_RECONCILE__SETTLE": "0.5"}

    async def command(self, *args: str, embedder: str = OLD, following: str | None = NEW) -> dict[str, Any]:
        environment = self.environment(embedder, following)
        done = await asyncio.to_thread(ran, self._folder, *args, "--json", environment=environment, seconds=LONG)
        assert done.returncode == 0, done.stderr + done.stdout
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    @asynccontextmanager
    async def running(self, name: str, embedder: str, following: str | None) -> AsyncIterator[Forked]:
        """`syncline run`, which drains at the end."""
        process = Forked(self._folder / name, SYNCLINE, "run", environment=self.environment(embedder, following))
        try:
            await until(lambda: "running on" in process.log.read_text(), LONG)
            yield process
            os.kill(process.pid, signal.SIGTERM)
            await until(lambda: not process.running, LONG)
            assert process.exit_code == 0, process.log.read_text()
        finally:
            process.stop()

    def store(self, embedder: str) -> Any:
        return open_store(**self.settings, embedder=embedder, indexing="relay")

    async def search(self, embedder: str, stop: asyncio.Event) -> None:
        """Again and again; each search finds what it should, whatever happens around it."""
        async with self.store(embedder) as store:
            while not stop.is_set():
                hits = await store.tenant("acme").search(NOTES, query=QUESTION, limit=1)
                assert [hit.key for hit in hits] == ["whale"], f"{embedder} found {hits}"
                self.searches[embedder] += 1
                await asyncio.sleep(0.01)


async def write(store: Store, stop: asyncio.Event) -> dict[str, int]:
    """New documents, new texts, deletions, until the stop. The revisions of what there should be."""
    notes, expected = store.tenant("acme"), {"whale": await store.tenant("acme").put(NOTES, "whale", {"text": WHALE})}
    number = 0
    while not stop.is_set():
        key = f"n{number % DOCUMENTS}"
        if number % 7 == 6 and key in expected:
            await notes.delete(NOTES, key)
            del expected[key]
        else:
            expected[key] = await notes.put(NOTES, key, {"text": f"Note {number} is about the number {number * number}."})
        number += 1
        await asyncio.sleep(0.005)
    return expected


async def test_nothing_fails_nothing_mixes_and_nothing_is_missing(tmp_path: Path, qdrant: QdrantServer) -> None:
    deployment = Deployment(tmp_path, qdrant.url)
    writing, searching = asyncio.Event(), asyncio.Event()
    async with deployment.store(OLD) as store:
        for number in range(DOCUMENTS):
            await store.tenant("acme").put(NOTES, f"n{number}", {"text": f"Note {number}."})
        async with asyncio.TaskGroup() as group:
            async with deployment.running("old-alone", OLD, None):
                writer = group.create_task(write(store, writing))
                await until_found(deployment, OLD)
                group.create_task(deployment.search(OLD, searching))
                await some_searches(deployment, OLD)
            async with deployment.running("both", OLD, NEW):
                built = await deployment.command("reindex", "build")
                assert (built["complete"], built["dead_letters"]) == (True, 0)
                await some_searches(deployment, OLD)
                switched = await deployment.command("reindex", "switch")
                assert switched["switched"]
                group.create_task(deployment.search(NEW, searching))
                await some_searches(deployment, OLD, NEW)
            async with deployment.running("swapped", NEW, OLD):
                await some_searches(deployment, OLD, NEW)
                rolled = await deployment.command("reindex", "rollback", embedder=NEW, following=OLD)
                assert rolled["switched"]
                await some_searches(deployment, OLD, NEW)
                again = await deployment.command("reindex", "switch")
                assert again["switched"]
                writing.set()
                expected = await writer
                await until_in_step(deployment)
            searching.set()
    for embedder in (OLD, NEW):
        async with deployment.store(embedder) as after:
            assert await Migrating.living(await after.parts.index()) == set(expected)
    dropped = await deployment.command("reindex", "drop", "wordllama/l2_supercat-256", "--yes", embedder=NEW, following=None)
    assert dropped["model"] == "wordllama/l2_supercat-256"
    status = await deployment.command("reindex", "status", embedder=NEW, following=None)
    assert [(each["model"], each["serves"]) for each in status["collections"]] == [("wordllama/l2_supercat-64", True)]


async def some_searches(deployment: Deployment, *embedders: str) -> None:
    """Ten more of each."""
    before = Counter(deployment.searches)
    await until(lambda: all(deployment.searches[each] >= before[each] + 10 for each in embedders), LONG)


async def until_found(deployment: Deployment, embedder: str) -> None:
    async with deployment.store(embedder) as store, asyncio.timeout(LONG):
        while not [hit for hit in await store.tenant("acme").search(NOTES, query=QUESTION, limit=1) if hit.key == "whale"]:  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.05)


async def until_in_step(deployment: Deployment) -> None:
    """Both, as the reconciler sees them."""
    for model in (NEW, OLD):
        async with asyncio.timeout(LONG):
            while (await deployment.command("reconcile", "check", "--model", model, embedder=NEW, following=OLD))["young"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.2)


async def test_a_process_that_was_not_told_of_the_switch_ends_and_loses_nothing(tmp_path: Path, qdrant: QdrantServer) -> None:
    deployment = Deployment(tmp_path, qdrant.url)
    async with deployment.store(OLD) as store:
        await store.tenant("acme").put(NOTES, "whale", {"text": WHALE})
        forgotten = Forked(tmp_path / "forgotten", SYNCLINE, "run", environment=deployment.environment(OLD, None))
        try:
            await until_found(deployment, OLD)
            await deployment.command("reindex", "build")
            await deployment.command("reindex", "switch")
            await asyncio.sleep(LOOK_EVERY)  # it looked at the first document
            await store.tenant("acme").put(NOTES, "late", {"text": "A write after the switch."})
            await until(lambda: not forgotten.running, LONG)
            assert forgotten.exit_code == 2
            assert "next" in forgotten.log.read_text()
        finally:
            forgotten.stop()
        async with deployment.running("told", NEW, OLD):
            await until_in_step(deployment)
    for embedder in (OLD, NEW):
        async with deployment.store(embedder) as after:
            assert await Migrating.living(await after.parts.index()) == {"whale", "late"}
