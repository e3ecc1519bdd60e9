"""Opening a store: the clocks, the folders, and what is only opened when it is needed."""

from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import ClockSkew, SynclineError
from syncline_contracts.revision import Clock, now_us
from syncline_store import StoreSettings, open_store
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.parts import Parts, open_parts
from syncline_store.settings import LimitSettings
from syncline_store.testing import WordEmbedder, open_test_store

SECOND = 1_000_000
NOTES = ("notes",)


def ahead(seconds: float) -> Clock:
    return Clock(now=lambda: now_us() + int(seconds * SECOND))


async def test_revisions_go_on_behind_the_newest_that_is_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/documents.db"
    async with open_test_store(store=url, clock=ahead(3), indexing="relay") as store:
        newest = await store.tenant("acme").put(NOTES, "n1", {"n": 1})
    async with open_test_store(store=url, indexing="relay") as store:
        assert await store.tenant("acme").put(NOTES, "n1", {"n": 2}) > newest
        document = await store.tenant("acme").get(NOTES, "n1")
        assert document is not None
        assert document.value == {"n": 2}


async def test_a_clock_that_was_set_back_is_refused_when_opening(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/documents.db"
    async with open_test_store(store=url, clock=ahead(3600), indexing="relay") as store:
        await store.tenant("acme").put(NOTES, "n1", {"n": 1})
    with pytest.raises(ClockSkew, match="NTP"):
        await open_test_store(store=url, indexing="relay")
    async with open_test_store(store=url, clock=ahead(3600), indexing="relay") as store:
        assert await store.tenant("acme").count() == 1


class Behind:
    """An engine on a server whose clock is behind ours."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def clock(self) -> int:
        return now_us() - 60 * SECOND

    async def aclose(self) -> None:
        self.closed = True
        await self._inner.aclose()


async def test_a_clock_ahead_of_the_storage_s_is_refused_and_the_storage_closed() -> None:
    clock = Clock()
    engine: Any = Behind(await open_sqlite(":memory:", clock=clock))
    with pytest.raises(ClockSkew, match=r"60\.\d s ahead of the storage's"):
        await open_parts(StoreSettings(), engine=engine, clock=clock)
    assert engine.closed


async def test_folders_that_are_not_there_are_made(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    async with open_test_store(store=f"sqlite:///{folder}/documents.db", index=f"path:{folder}/index") as store:
        await store.tenant("acme").put(NOTES, "n1", {"text": "cat"})
        assert len(await store.tenant("acme").search(query="cat")) == 1


async def test_a_place_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SynclineError, match="file"):
        await open_test_store(store=f"sqlite:///{tmp_path}/file/documents.db")
    with pytest.raises(SynclineError, match="file"):
        await open_test_store(store=f"sqlite:///{tmp_path}/file")


async def test_settings_may_be_made_before_and_changed_by_keywords() -> None:
    settings = StoreSettings(store="sqlite:///:memory:", index=":memory:", limits=LimitSettings(key_bytes=8))
    async with open_store(settings, embedder=WordEmbedder()) as store:
        assert store.parts.settings == settings
    async with open_store(settings, indexing="relay", embedder=WordEmbedder()) as store:
        assert store.parts.settings.limits.key_bytes == 8
        assert not store.parts.settings.inline


async def test_the_embedder_is_made_when_it_is_asked_for() -> None:
    parts = await open_parts(StoreSettings(store="sqlite:///:memory:", index=":memory:", embedder="wordllama:64"))
    assert isinstance(parts, Parts)
    assert not parts.index_is_open
    assert parts.embedder.dimensions == 64
    assert parts.embedder is parts.embedder
    assert await parts.indexer() is await parts.indexer()
    assert parts.index_is_open
    await parts.aclose()
