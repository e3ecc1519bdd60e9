"""Inline indexing: a put returns once the index has it, or says that it has not; nothing is lost (architecture, invariant 1)."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import (
    ConfigurationError,
    DocumentRefused,
    EmbedderUnavailable,
    IndexLocked,
    IndexMismatch,
    NotYetIndexed,
)
from syncline_contracts.revision import Clock
from syncline_store import Put, Store
from syncline_store.embedding.protocol import Vectors
from syncline_store.testing import WordEmbedder, open_test_store
from tests.parts.clock import ManualClock
from tests.parts.outbox import deliveries

NOTES = ("notes",)


class Moody(WordEmbedder):
    """Refuses texts with `poison`, and everything while it is `down`."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.calls: list[int] = []

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(len(texts))
        if self.down:
            raise EmbedderUnavailable("the model is being loaded")
        if any("poison" in text for text in texts):
            raise DocumentRefused("a text cannot be embedded")
        return await super().embed_documents(texts)


async def open_letters(store: Store) -> int:
    return len((await store.parts.engine.dead_letters.scan(None, 100)).items)


async def found(store: Store, query: str) -> list[str]:
    return sorted(hit.key for hit in await store.tenant("acme").search(query=query, threshold=0.1, limit=100))


async def until_found(store: Store, query: str, expected: list[str]) -> None:
    async with asyncio.timeout(10):
        while await found(store, query) != expected:  # noqa: ASYNC110 - the index tells nobody
            await asyncio.sleep(0.02)


def local(folder: Path, **more: Any) -> dict[str, Any]:
    return {"store": f"sqlite:///{folder}/documents.db", "index": f"path:{folder}/index", **more}


async def test_a_search_right_after_a_put_finds_it() -> None:
    async with open_test_store() as store:
        acme = store.tenant("acme")
        for n in range(20):
            revision = await acme.put(NOTES, f"{n}", {"text": f"cat{n}"})
            assert [(hit.key, hit.indexed_revision) for hit in await acme.search(query=f"cat{n}", limit=1)] == [(f"{n}", revision)]
            await acme.wait_until_indexed((NOTES, f"{n}"), revision, timeout=0)


async def test_puts_at_once_share_the_embedder_s_calls() -> None:
    embedder = Moody()
    async with open_test_store(embedder=embedder) as store:
        acme = store.tenant("acme")
        await asyncio.gather(*(acme.put(NOTES, f"{n}", {"text": f"cat {n}"}) for n in range(100)))
        assert await acme.count() == len(await acme.search(limit=200)) == 100
        assert len(embedder.calls) < 20
        assert sum(embedder.calls) == 100, "the catch-up's first pass, which reads their events, embeds none of them again"


async def test_a_document_that_cannot_be_indexed_is_stored_and_says_so_and_its_mates_are_indexed() -> None:
    async with open_test_store(embedder=Moody()) as store:
        acme = store.tenant("acme")
        results = await acme.put_many([(NOTES, f"{n}", {"text": "poison" if n == 7 else f"cat {n}"}) for n in range(20)])
        refused = results[7]
        assert isinstance(refused, NotYetIndexed)
        assert "cannot be embedded" in str(refused)
        assert "dead letters" in str(refused)
        assert [n for n, result in enumerate(results) if isinstance(result, int)] == [n for n in range(20) if n != 7]
        assert await acme.get(NOTES, "7") is not None
        assert await open_letters(store) == 1
        revision = await acme.put(NOTES, "7", {"text": "cat 7"})
        assert revision > refused.revision
        assert await open_letters(store) == 0


async def test_an_outage_leaves_no_dead_letter_and_is_made_good() -> None:
    embedder = Moody()
    async with open_test_store(embedder=embedder) as store:
        acme = store.tenant("acme")
        embedder.down = True
        with pytest.raises(NotYetIndexed, match="being loaded"):
            await acme.put(NOTES, "n1", {"text": "cat"})
        assert await acme.get(NOTES, "n1") is not None
        embedder.down = False
        await until_found(store, "cat", ["n1"])
        assert await open_letters(store) == 0


async def test_what_a_crash_left_unindexed_is_indexed_when_the_store_is_used_again(tmp_path: Path) -> None:
    async with open_test_store(**local(tmp_path, indexing="relay")) as store:
        await store.tenant("acme").put_many([(NOTES, f"{n}", {"text": "cat"}) for n in range(30)])
        await store.tenant("acme").delete(NOTES, "3")
    async with open_test_store(**local(tmp_path)) as store:
        await until_found(store, "cat", sorted(f"{n}" for n in range(30) if n != 3))
    async with open_test_store(**local(tmp_path)) as store:
        await store.catch_up()
        assert len(await store.tenant("acme").search(limit=100)) == 29


async def test_closing_does_not_wait_for_a_long_catch_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(WordEmbedder):
        async def embed_documents(self, texts: Sequence[str]) -> Vectors:
            embedding.set()
            return await asyncio.Future()

    embedding = asyncio.Event()
    monkeypatch.setattr("syncline_store.upkeep.PATIENCE", 0.05)
    async with open_test_store(**local(tmp_path, indexing="relay")) as store:
        await store.tenant("acme").put(NOTES, "n1", {"text": "cat"})
    async with asyncio.timeout(10):
        async with open_test_store(**local(tmp_path), embedder=Slow()) as store:
            assert await store.tenant("acme").search() == []
            await embedding.wait()
    async with open_test_store(**local(tmp_path)) as store:
        await until_found(store, "cat", ["n1"])


async def test_a_catch_up_that_broke_is_told_of_and_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    async def break_off() -> None:
        raise RuntimeError("unforeseen")

    async with open_test_store() as store:
        acme, inline = store.tenant("acme"), store._inline
        await acme.put(NOTES, "n1", {"text": "cat"})
        assert inline is not None
        upkeep = inline.upkeep
        running, upkeep._running = upkeep._running, asyncio.create_task(break_off())
        await acme.put(NOTES, "n2", {"text": "cat"})
        await acme.put(NOTES, "n3", {"text": "cat"})
        assert upkeep._running is not None
        assert not upkeep._running.done()
        assert "unforeseen" in caplog.text
        assert running is not None
        running.cancel()


async def test_an_embedded_store_sweeps_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline_store.upkeep.FIRST_SWEEP", 0.01)
    time = ManualClock()
    async with open_test_store(clock=Clock(now=time), tombstone_grace=3600, sweep_interval=0.01) as store:
        acme, engine = store.tenant("acme"), store.parts.engine
        await acme.put_many([Put(NOTES, f"{n}", {"text": "cat"}, ttl=60) for n in range(10)])
        await acme.put(NOTES, "old", {"text": "cat"})
        await acme.delete(NOTES, "old")
        await store.catch_up()
        assert await (await store.parts.index()).count() == 11
        time.forward(2 * 3600)
        async with asyncio.timeout(10):
            while await (await store.parts.index()).count():  # noqa: ASYNC110 - the sweep tells nobody
                await asyncio.sleep(0.01)
            while await engine.documents.estimate():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert len(await deliveries(engine)) == 12
        time.forward(4 * 24 * 3600)
        await store.sweep()
        assert await deliveries(engine) == []


async def test_a_put_that_was_cancelled_is_indexed_all_the_same() -> None:
    async with open_test_store() as store:
        acme = store.tenant("acme")
        await acme.put(NOTES, "n0", {"text": "dog"})
        put = asyncio.create_task(acme.put(NOTES, "n1", {"text": "cat"}))
        while await acme.get(NOTES, "n1") is None:
            assert not put.done()
        put.cancel()
        await store.catch_up()
        assert await found(store, "cat") == ["n1"]


async def test_a_process_that_only_writes_opens_no_index(tmp_path: Path) -> None:
    async with open_test_store(**local(tmp_path)) as holder:
        await holder.tenant("acme").put(NOTES, "n0", {"text": "cat"})
        async with open_test_store(**local(tmp_path, indexing="relay")) as writer:
            await writer.tenant("acme").put(NOTES, "n1", {"text": "cat"})
            assert not writer.parts.index_is_open
        await holder.catch_up()
        assert await found(holder, "cat") == ["n0", "n1"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # qdrant-client forgets to close the lock it did not get
async def test_an_index_that_cannot_be_opened_as_configured_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    async with open_test_store(**local(tmp_path)) as holder:
        await holder.tenant("acme").put(NOTES, "n0", {"text": "cat"})
        async with open_test_store(**local(tmp_path)) as second:
            with pytest.raises(IndexLocked, match="another process"):
                await second.tenant("acme").put(NOTES, "n1", {"text": "cat"})
            with pytest.raises(IndexLocked):
                await second.tenant("acme").delete(NOTES, "n0")
            with pytest.raises(IndexLocked):
                await second.tenant("acme").put_many([(NOTES, "n1", {})])
            assert await second.tenant("acme").count() == 1
    async with open_test_store(**local(tmp_path), embedder=WordEmbedder(64)) as other:
        with pytest.raises(IndexMismatch, match="64 dimensions"):
            await other.tenant("acme").put(NOTES, "n1", {"text": "cat"})
        assert await other.tenant("acme").count() == 1


async def test_an_index_that_does_not_answer_is_no_reason_to_refuse_a_write() -> None:
    async with open_test_store(index="http://127.0.0.1:9", indexing="inline") as store:
        acme = store.tenant("acme")
        with pytest.raises(NotYetIndexed, match="stored at revision"):
            await acme.put(NOTES, "n1", {"text": "cat"})
        assert await acme.get(NOTES, "n1") is not None


async def test_what_is_configured_wrongly_is_refused_when_opened() -> None:
    with pytest.raises(ConfigurationError, match=r"index: .*path:FOLDER"):
        open_test_store(index="./index")
    with pytest.raises(ConfigurationError, match="colour: there is no such setting"):
        open_test_store(colour="red")


def test_importing_the_store_is_quick() -> None:
    """qdrant-client and the model are loaded when they are needed."""
    heavy = "{'qdrant_client', 'wordllama'}"
    code = f"import sys, syncline_store, syncline_store.testing; sys.exit(repr(sorted({heavy} & sys.modules.keys())) if {heavy} & sys.modules.keys() else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
