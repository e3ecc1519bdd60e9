"""LangGraph's face: how it is opened and called, whose documents it sees, how they expire, what it waits for."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import PutOp

from syncline_contracts.errors import ConfigurationError, InvalidDocument, Unavailable
from syncline_contracts.revision import Clock
from syncline_store.indexing.catch_up import CatchUp
from syncline_store.langgraph import AsyncSynclineStore, SynclineStore
from syncline_store.langgraph.index import Indexing
from syncline_store.langgraph.sweeper import Sweeper
from syncline_store.store import open_store
from syncline_store.testing import WordEmbedder
from tests.parts.clock import ManualClock
from tests.parts.langgraph import DIMENSIONS, WordEmbeddings, indexing

MEMORY = "sqlite:///:memory:"
A = ("a",)

# ---------------------------------------------------------------------- calling


async def test_sync_calls_in_the_loops_own_thread_are_refused_elsewhere_they_wait() -> None:
    async with AsyncSynclineStore.from_conn_string(MEMORY) as store:
        for call in (
            lambda: store.put(A, "k", {}),
            lambda: store.get(A, "k"),
            lambda: store.delete(A, "k"),
            lambda: store.search(A),
            lambda: store.list_namespaces(prefix=A),
            lambda: store.batch([PutOp(A, "k", {})]),
        ):
            with pytest.raises(asyncio.InvalidStateError):
                call()
        await asyncio.to_thread(store.put, A, "k", {"n": 1})
        item = await asyncio.to_thread(store.get, A, "k")
        assert item is not None
        assert item.value == {"n": 1}
        assert await asyncio.to_thread(store.list_namespaces) == [A]
        await asyncio.to_thread(store.delete, A, "k")
        assert await asyncio.to_thread(store.search, A) == []


def test_a_store_for_threads_is_called_from_any(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with SynclineStore.from_conn_string(str(path), index=indexing()) as store:
        store.setup()
        store.setup()
        store.put(A, "k", {"text": "a cat"})
        assert [item.key for item in store.search(A, query="cat")] == ["k"]
    with SynclineStore.from_conn_string(f"sqlite:///{path}", index=indexing()) as store:
        assert [item.key for item in store.search(A, query="cat")] == ["k"]
        assert (tmp_path / "memory.db.index").is_dir()
    with pytest.raises(Unavailable, match="closed"):
        store.get(A, "k")


async def test_a_store_for_threads_can_be_awaited_in_any_loop() -> None:
    with SynclineStore.from_conn_string(MEMORY) as store:
        await store.aput(A, "k", {"n": 1})
        assert [item.key for item in await store.asearch(A)] == ["k"]
        assert store.get(A, "k") == await store.aget(A, "k")


async def test_setup_refuses_what_is_configured_wrongly() -> None:
    async with AsyncSynclineStore.from_conn_string(MEMORY, index={**indexing(), "dims": 7}) as store:
        await store.setup()
        with pytest.raises(Exception, match="7"):
            await store.aput(A, "k", {"text": "a cat"})


async def test_beyond_five_thousand_items_a_search_by_filter_and_a_listing_are_complete() -> None:
    async with AsyncSynclineStore.from_conn_string(MEMORY) as store:
        await store.abatch([PutOp(("many", str(n % 3)), f"k{n}", {"n": n, "odd": n % 2 == 1}) for n in range(5_300)])
        assert len(await store.asearch(("many",), limit=10_000)) == 5_300
        odd = await store.asearch(("many",), filter={"odd": True}, limit=10_000)
        assert {item.value["n"] for item in odd} == set(range(1, 5_300, 2))
        (last,) = await store.asearch(("many",), filter={"n": 5_299})
        assert last.key == "k5299"


# ---------------------------------------------------------------------- embeddings


async def test_it_shows_its_configuration_as_langgraphs_stores_do() -> None:
    embeddings = WordEmbeddings()
    async with AsyncSynclineStore.from_conn_string(MEMORY, index=indexing(embeddings), ttl={"default_ttl": 5}) as store:
        assert store.index_config is not None
        assert store.index_config["dims"] == DIMENSIONS
        assert store.index_config["embed"] is store.embeddings is embeddings
        assert store.ttl_config == {"default_ttl": 5}
        assert store.supports_ttl


async def test_without_an_index_queries_and_fields_have_no_effect_and_no_index_is_opened(tmp_path: Path) -> None:
    async with AsyncSynclineStore.from_conn_string(str(tmp_path / "plain.db")) as store:
        await store.setup()
        await store.aput(A, "k", {"text": "a cat"}, index=["text"])
        assert [(item.key, item.score) for item in await store.asearch(A, query="dogs")] == [("k", None)]
        assert not store.store.parts.index_is_open
        assert store.index_config is None
    assert not list(tmp_path.glob("*.index"))  # noqa: ASYNC240 - a test's own folder


async def test_what_was_kept_without_an_index_is_searched_once_it_is_written_with_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'memory.db'}"
    async with AsyncSynclineStore.from_conn_string(url) as store:
        await store.aput(A, "k", {"text": "a cat"})
    async with AsyncSynclineStore.from_conn_string(url, index=indexing()) as store:
        assert await store.asearch(A, query="cat") == []
        await store.aput(A, "k", {"text": "a cat"})
        assert [item.key for item in await store.asearch(A, query="cat")] == ["k"]


async def test_a_function_may_embed_and_so_may_a_coroutine() -> None:
    words = WordEmbedder(16)

    async def later(texts: Any) -> list[list[float]]:
        vectors: list[list[float]] = (await words.embed_documents(texts)).tolist()
        return vectors

    def at_once(texts: Any) -> list[list[float]]:
        return asyncio.run(later(texts))

    for embed in (later, at_once):
        async with AsyncSynclineStore.from_conn_string(MEMORY, index={"dims": 16, "embed": embed}) as store:
            await store.aput(A, "k", {"text": "a cat"})
            assert [item.key for item in await store.asearch(A, query="cat")] == ["k"]
            assert embed.__name__ in store.store.parts.embedder.model


async def test_embedders_of_syncline_serve_as_well() -> None:
    async with AsyncSynclineStore.from_conn_string(MEMORY, index={"embed": WordEmbedder()}) as store:  # type: ignore[typeddict-item] # LangGraph's type
        await store.aput(A, "k", {"text": "a cat"})
        assert [item.key for item in await store.asearch(A, query="cat")] == ["k"]
    async with AsyncSynclineStore.from_conn_string(MEMORY, index={"embed": "wordllama:64"}) as store:
        assert store.store.parts.embedder.dimensions == 64


class Named(WordEmbeddings):
    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model


def test_another_model_has_another_id() -> None:
    def model(**config: Any) -> str:
        embedder = Indexing.of({"dims": 4, **config}).embedder  # type: ignore[typeddict-item] # keys by name
        assert embedder is not None
        assert not isinstance(embedder, str)
        return embedder.model

    assert model(embed=WordEmbeddings()) == "langchain/WordEmbeddings"
    assert model(embed=Named("m1")) == "langchain/Named/m1"
    assert model(embed=Named("m1"), model="mine") == "mine"
    assert model(embed=len).endswith("builtins.len")


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        ({"embed": WordEmbeddings()}, ConfigurationError, "dims"),
        ({"dims": 0, "embed": WordEmbeddings()}, ConfigurationError, "dims"),
        ({"dims": 4, "embed": WordEmbeddings(), "fields": ["a..b"]}, InvalidDocument, "path"),
        ({"dims": 4, "embed": "nobody:knows"}, ValueError, "nobody"),
    ],
)
async def test_a_configuration_that_cannot_work_is_refused_at_once(config: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        async with AsyncSynclineStore.from_conn_string(MEMORY, index=config):
            pass


# ---------------------------------------------------------------------- tenants


async def test_each_tenant_has_a_memory_of_its_own() -> None:
    async with open_store(MEMORY, index=":memory:", embedder=WordEmbedder()) as shared:
        stores = [AsyncSynclineStore(shared, tenant=tenant, index={"fields": ["text"]}) for tenant in ("acme", "other")]
        acme, other = stores
        for number, store in enumerate(stores):
            await store.aput(A, "k", {"text": "a cat", "n": number})
            await store.aput((f"own{number}",), "k", {"text": "a cat"})
        for number, store in enumerate(stores):
            found = [*await store.asearch((), query="cat"), *await store.asearch(()), *await store.asearch((), filter={"n": 1 - number})]
            assert {item.namespace for item in found} == {A, (f"own{number}",)}
            assert {item.value.get("n", number) for item in found} == {number}
            assert await store.alist_namespaces() == [A, (f"own{number}",)]
        await acme.adelete(A, "k")
        assert await other.aget(A, "k") is not None
        document = await shared.tenant("other").get(A, "k")
        assert document is not None
        assert document.value["n"] == 1


async def test_the_tenant_is_default_unless_the_app_says() -> None:
    async with AsyncSynclineStore.from_conn_string(MEMORY) as store:
        await store.aput(A, "k", {})
        assert await store.store.tenant("default").get(A, "k") is not None
    async with AsyncSynclineStore.from_conn_string(MEMORY, tenant="acme") as store:
        await store.aput(A, "k", {})
        assert await store.store.tenant("acme").count() == 1
        assert await store.store.tenant("default").count() == 0


# ---------------------------------------------------------------------- time to live


async def test_minutes_are_minutes_and_the_default_gives_way_to_what_a_put_says() -> None:
    now = ManualClock()
    ttl = {"default_ttl": 0.1, "refresh_on_read": False}
    async with AsyncSynclineStore.from_conn_string(MEMORY, ttl=ttl, index=indexing(), clock=Clock(now=now)) as store:  # type: ignore[arg-type] # a dict
        await store.aput(A, "default", {"text": "cat"})
        await store.aput(A, "short", {"text": "cat"}, ttl=1 / 60)
        await store.aput(A, "long", {"text": "cat"}, ttl=60)
        await store.aput(A, "ever", {"text": "cat"}, ttl=None)

        async def alive() -> set[str]:
            by_filter, by_query = await store.asearch(A), await store.asearch(A, query="cat")
            assert [item.key for item in by_filter] == sorted(item.key for item in by_query)
            return {item.key for item in by_filter}

        assert await alive() == {"default", "short", "long", "ever"}
        now.forward(2)
        assert await alive() == {"default", "long", "ever"}
        assert await store.aget(A, "short") is None
        now.forward(5)
        assert await alive() == {"long", "ever"}
        assert await store.sweep_ttl() == 2
        assert await store.sweep_ttl() == 0
        now.forward(3600)
        assert await alive() == {"ever"}


async def test_a_hybrid_namespace_is_searched_by_words_too() -> None:
    async with AsyncSynclineStore.from_conn_string(MEMORY, index=indexing()) as store:
        await store.store.tenant("default").configure(A, hybrid="plain")
        for number in range(4709, 4713):
            await store.aput(A, f"e{number}", {"text": f"the pump stopped ERR-{number}"})
        found = await store.asearch(A, query="err-4711", limit=2)
        assert found[0].key == "e4711"
        assert (found[0].score or 0) > (found[1].score or 0)


async def test_none_is_for_ever_whatever_the_namespace_says() -> None:
    """As in LangGraph's other stores: ``None means no expiration``."""
    now = ManualClock()
    async with AsyncSynclineStore.from_conn_string(MEMORY, clock=Clock(now=now)) as store:
        await store.store.tenant("default").configure(A, ttl=60)
        await store.aput(A, "ever", {})
        await store.aput(A, "said", {}, ttl=None)
        await store.store.tenant("default").put(A, "not by LangGraph's face", {})
        now.forward(61)
        assert [item.key for item in await store.asearch(A)] == ["ever", "said"]


async def test_what_is_read_lives_on_unless_the_configuration_or_the_call_says_otherwise() -> None:
    now = ManualClock()
    async with AsyncSynclineStore.from_conn_string(MEMORY, ttl={"default_ttl": 1}, index=indexing(), clock=Clock(now=now)) as store:
        for key in ("got", "searched", "asked", "left", "peeked"):
            await store.aput(A, key, {"text": key})
        for _ in range(3):
            now.forward(40)
            assert await store.aget(A, "got") is not None
            assert [item.key for item in await store.asearch(A, filter={"text": "searched"})] == ["searched"]
            assert [item.key for item in await store.asearch(A, query="asked", limit=1)] == ["asked"]
            await store.aget(A, "peeked", refresh_ttl=False)
            await store.asearch(A, query="peeked", limit=1, refresh_ttl=False)
        assert {item.key for item in await store.asearch(A, refresh_ttl=False)} == {"got", "searched", "asked"}
        now.forward(61)
        assert await store.asearch(A) == []
    quiet = {"default_ttl": 1, "refresh_on_read": False}
    async with AsyncSynclineStore.from_conn_string(MEMORY, ttl=quiet, clock=Clock(now=now)) as store:  # type: ignore[arg-type] # a dict
        await store.aput(A, "k", {})
        now.forward(40)
        assert await store.aget(A, "k") is not None
        now.forward(30)
        assert await store.aget(A, "k") is None


async def test_a_namespace_whose_items_expired_is_not_listed() -> None:
    now = ManualClock()
    async with AsyncSynclineStore.from_conn_string(MEMORY, clock=Clock(now=now)) as store:
        await store.aput(("x", "short"), "k", {}, ttl=1)
        await store.aput(("x", "long"), "k", {})
        now.forward(61)
        assert await store.alist_namespaces(prefix=("x",)) == [("x", "long")]


@pytest.mark.parametrize("ttl", [0, -1])
async def test_no_life_at_all_is_refused(ttl: float) -> None:
    async with AsyncSynclineStore.from_conn_string(MEMORY) as store:
        with pytest.raises(InvalidDocument, match="ttl"):
            await store.aput(A, "k", {}, ttl=ttl)


async def test_the_sweeper_sweeps_until_it_is_stopped() -> None:
    now = ManualClock()
    ttl = {"default_ttl": 1, "sweep_interval_minutes": 0.01 / 60}
    async with AsyncSynclineStore.from_conn_string(MEMORY, ttl=ttl, clock=Clock(now=now)) as store:  # type: ignore[arg-type] # a dict
        task = await store.start_ttl_sweeper()
        assert await store.start_ttl_sweeper() is task
        await store.aput(A, "k", {})
        now.forward(61)
        async with asyncio.timeout(10):
            while (await store.store.parts.engine.documents.scan("default", A, None, 10)).items:  # noqa: ASYNC110 - rows tell nobody when they go
                await asyncio.sleep(0.01)
        assert await store.stop_ttl_sweeper(timeout=10)
        assert task.done()
        assert await store.stop_ttl_sweeper()
        assert await store.start_ttl_sweeper() is not task


async def test_without_a_ttl_configuration_there_is_nothing_to_sweep() -> None:
    async with AsyncSynclineStore.from_conn_string(MEMORY) as store:
        await (await store.start_ttl_sweeper())
        assert await store.stop_ttl_sweeper()


def test_threads_have_a_sweeper_as_well() -> None:
    with SynclineStore.from_conn_string(MEMORY, ttl={"default_ttl": 1}) as store:
        future = store.start_ttl_sweeper(0.01)  # type: ignore[arg-type] # a part of a minute
        assert not future.done()
        assert store.sweep_ttl() == 0
        assert store.stop_ttl_sweeper(timeout=10)
        future.result(timeout=10)


async def test_a_sweep_that_fails_is_tried_again() -> None:
    tried = asyncio.Event()
    outcomes = iter([Unavailable("not now"), None])

    async def sweep() -> int:
        if (error := next(outcomes)) is not None:
            raise error
        tried.set()
        await asyncio.sleep(60)
        return 0

    sweeper = Sweeper(sweep)
    sweeper.start(0.001)
    async with asyncio.timeout(10):
        await tried.wait()
    assert not await sweeper.stop(0.01)
    await sweeper.aclose()


# ---------------------------------------------------------------------- relay and worker


async def test_where_workers_index_a_search_waits_for_what_was_just_written() -> None:
    async with AsyncSynclineStore.from_conn_string(MEMORY, index=indexing(), indexing="relay") as store:
        parts = store.store.parts
        await store.aput(A, "k", {"text": "a cat"})
        await store.aput(("elsewhere",), "k", {"text": "a cat"})
        searching = asyncio.create_task(store.asearch(A, query="cat"))
        done, _ = await asyncio.wait([searching], timeout=0.2)
        assert not done
        assert [item.key for item in await store.asearch(A)] == ["k"]
        await CatchUp(parts.engine, await parts.indexer(), clock=parts.clock).once()
        assert [item.key for item in await searching] == ["k"]
        assert await store.asearch(("nobody",), query="cat") == []


async def test_the_wait_has_a_deadline_and_is_done_once(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncSynclineStore.from_conn_string(MEMORY, index=indexing(), indexing="relay", indexed_within=0.3) as store:
        await store.aput(A, "k", {"text": "a cat"})
        begun = time.monotonic()
        assert await store.asearch(A, query="cat") == []
        assert time.monotonic() - begun >= 0.2
        assert "1 documents that are not indexed" in caplog.text
        caplog.clear()
        assert await store.asearch(A, query="cat") == []
        assert not caplog.text


# ---------------------------------------------------------------------- extras


@pytest.mark.parametrize(("package", "extra"), [("langgraph", "langgraph"), ("langchain", "langchain")])
def test_without_the_extra_the_library_works_and_the_face_names_it(package: str, extra: str) -> None:
    script = f"""
import sys
sys.modules["langgraph"] = sys.modules["langgraph.store"] = sys.modules["langgraph.store.base"] = sys.modules["langchain_core"] = None
import syncline_store, syncline_store.sync
try:
    import syncline_store.{package}
except ModuleNotFoundError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True).stdout
    assert f"pip install 'syncline-store[{extra}]'" in said
