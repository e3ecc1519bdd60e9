"""An embedder is named by the settings, and what is missing or wrong is said before anything connects."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import ConfigurationError, EmbedderUnavailable, IndexMismatch
from syncline_store import open_store
from syncline_store.embedding.build import build_embedder
from syncline_store.embedding.openai import OpenAIEmbedder
from syncline_store.embedding.wordllama import WordLlamaEmbedder
from syncline_store.parts import open_parts
from syncline_store.settings import EmbeddingSettings, StoreSettings, store_settings
from tests.parts.servers.embedding import KEY, EmbeddingServer

LOCAL = {"base_url": "http://localhost:11434/v1"}


@pytest.mark.parametrize(
    ("embedder", "embedding", "remedy"),
    [
        ("openai", {}, "openai:MODEL"),
        ("openai: ", {}, "openai:MODEL"),
        ("sentence-transformers", {}, "sentence-transformers:MODEL"),
        ("cohere:x", {}, "openai:MODEL"),
        ("wordllama:100", {}, "wordllama:256"),
        ("openai:text-embedding-3-small", {}, "embedding.api_key is missing"),
        ("openai:nomic-embed-text", LOCAL, "embedding.dimensions is missing"),
        ("sentence-transformers:all-MiniLM-L6-v2", {}, "embedding.dimensions is missing"),
        ("openai:text-embedding-3-small", {"api_key": KEY, "dimensions": 512}, "set embedding.shorten"),
        ("openai:m", {"shorten": True}, "shorten needs dimensions"),
        ("openai:m", {"base_url": "localhost:11434"}, "embedding.base_url: must be the URL"),
        ("openai:m", {"base_url": "http://localhost:0/v1"}, "embedding.base_url: must be the URL"),
        ("openai:m", {"base_url": "http://localhost:99999/v1"}, "embedding.base_url: "),
        ("openai:m", {"base_url": f"http://me:{KEY}@host/v1"}, "embedding.api_key"),
        ("openai:m", {"base_url": f"http://host/v1?key={KEY}"}, "embedding.api_key"),
        ("openai:m", {"base_url": "http://host/v1/embeddings"}, "must end before /embeddings"),
        ("openai:m", {"api_key": f"{KEY}\n{KEY}"}, "embedding.api_key: must be letters"),
        ("openai:m", {"api_key": f"{KEY}é"}, "embedding.api_key: must be letters"),
        ("openai:m", {"api_key": " "}, "embedding.api_key: must be letters"),
        ("openai:m", {"document_fields": {"input": "x", "model": "y"}}, "must not name input, model"),
        ("openai:m", {"max_batch": 0}, "embedding.max_batch"),
        ("openai:m", {"concurrency": 0}, "embedding.concurrency"),
        ("openai:m", {"timeout": 0}, "embedding.timeout"),
        ("openai:m", {"encoding": "hex"}, "embedding.encoding"),
        ("openai:m", {"query_cache": -1}, "embedding.query_cache"),
        ("openai:m", {"url": "x"}, "embedding.url: there is no such setting"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy_and_without_its_value(embedder: str, embedding: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        store_settings(embedder=embedder, embedding=embedding)
    assert remedy in str(refused.value)
    assert KEY not in str(refused.value)


def test_the_key_is_not_shown_and_may_end_with_its_file_s_newline() -> None:
    settings = store_settings(embedder="openai:text-embedding-3-small", embedding={"api_key": f"{KEY}\n"})
    assert KEY not in repr(settings) + str(settings.model_dump())
    assert settings.embedding.api_key is not None
    assert settings.embedding.api_key.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("embedder", "embedding", "model", "dimensions"),
    [
        ("wordllama", {}, "wordllama/l2_supercat-256", 256),
        ("wordllama:64", {}, "wordllama/l2_supercat-64", 64),
        ("openai:text-embedding-3-large", {"api_key": KEY}, "openai/text-embedding-3-large", 3072),
        (
            "openai:text-embedding-3-large",
            {"api_key": KEY, "dimensions": 256, "shorten": True},
            "openai/text-embedding-3-large-256",
            256,
        ),
        ("openai:mxbai-embed-large:335m", {**LOCAL, "dimensions": 1024}, "openai/mxbai-embed-large:335m", 1024),
        ("openai:BAAI/bge-m3", {**LOCAL, "dimensions": 1024, "query_prefix": "q: "}, "openai/BAAI/bge-m3", 1024),
    ],
)
def test_the_settings_name_an_embedder(embedder: str, embedding: dict[str, Any], model: str, dimensions: int) -> None:
    built = build_embedder(store_settings(embedder=embedder, embedding=embedding))
    assert (built.model, built.dimensions) == (model, dimensions)


def test_what_changes_the_documents_vectors_changes_the_model_s_id() -> None:
    def model(**embedding: Any) -> str:
        return OpenAIEmbedder("m", EmbeddingSettings(dimensions=8, **embedding)).model

    ids = [model(), model(document_prefix="a"), model(document_prefix="b"), model(document_fields={"a": 1}), model(shorten=True)]
    assert len(set(ids)) == len(ids)
    assert model() == model(query_prefix="a", query_fields={"a": 1}, max_batch=3, base_url="http://elsewhere/v1")
    assert model(document_prefix="a") == model(document_prefix="a")


def test_an_embedder_may_be_made_without_a_store_s_settings() -> None:
    assert OpenAIEmbedder("text-embedding-3-small").dimensions == 1536
    with pytest.raises(ConfigurationError, match=r"embedding\.dimensions"):
        OpenAIEmbedder("unknown")


@pytest.mark.skipif(find_spec("sentence_transformers") is not None, reason="it is installed")
def test_an_extra_that_is_not_installed_is_named() -> None:
    settings = store_settings(embedder="sentence-transformers:all-MiniLM-L6-v2", embedding={"dimensions": 384})
    with pytest.raises(ConfigurationError, match=r"pip install 'syncline-store\[sentence-transformers\]'"):
        build_embedder(settings)


def test_every_setting_is_documented_and_no_other() -> None:
    page = (Path(__file__).resolve().parent.parent.parent / "docs" / "embedders.md").read_text()
    table = page.partition("| setting | default |")[2].partition("\n\n")[0]
    documented = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(documented) == sorted(EmbeddingSettings.model_fields)


async def test_a_store_indexes_and_searches_through_an_endpoint_and_closes_what_it_opened() -> None:
    with EmbeddingServer(64, key=KEY) as server:
        embedding = {"base_url": server.url, "api_key": KEY, "dimensions": 64, "query_prefix": "", "document_prefix": ""}
        async with open_store("sqlite:///:memory:", index=":memory:", embedder="openai:hash", embedding=embedding) as store:
            acme = store.tenant("acme")
            await acme.put(("notes",), "n1", {"text": "a cat"})
            await acme.put(("notes",), "n2", {"text": "a dog"})
            (best, _) = await acme.search(query="a cat")
            assert best.document.key == "n1"
            embedder = store.parts.embedder
        with pytest.raises(EmbedderUnavailable, match="closed"):
            await embedder.embed_query("a cat")


async def test_an_embedder_that_was_given_is_its_giver_s_to_close() -> None:
    with EmbeddingServer() as server:
        embedder = OpenAIEmbedder("hash", EmbeddingSettings(base_url=server.url, dimensions=16))
        async with open_store("sqlite:///:memory:", index=":memory:", embedder=embedder) as store:
            await store.tenant("acme").put(("notes",), "n1", {"text": "a cat"})
        assert len(await embedder.embed_query("a cat")) == 16
        await embedder.aclose()


async def test_another_model_length_or_document_prefix_than_the_index_s_is_refused_when_it_opens(tmp_path: Path) -> None:
    def settings(embedder: str = "openai:m", **embedding: Any) -> StoreSettings:
        given = {**LOCAL, "dimensions": 8, **embedding}
        return store_settings(store="sqlite:///:memory:", index=f"path:{tmp_path}/index", embedder=embedder, embedding=given)

    async def open_index(chosen: StoreSettings) -> None:
        parts = await open_parts(chosen)
        try:
            await parts.index()
        finally:
            await parts.aclose()

    await open_index(settings())
    await open_index(settings(query_prefix="query: "))
    for other in (settings("openai:other"), settings(dimensions=16), settings(document_prefix="passage: "), settings("wordllama:64")):
        with pytest.raises(IndexMismatch, match="use that embedder again"):
            await open_index(other)


async def test_nothing_is_loaded_before_it_is_needed() -> None:
    parts = await open_parts(StoreSettings(store="sqlite:///:memory:", index=":memory:"))
    assert isinstance(parts.embedder, WordLlamaEmbedder)
    assert parts.embedder._model is None
    await parts.aclose()
