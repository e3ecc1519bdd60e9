from typing import Any

import pytest

from syncline_contracts.errors import ConfigurationError
from syncline_store.settings import StoreSettings, store_settings


def test_the_defaults_need_nothing_but_python() -> None:
    settings = StoreSettings()
    assert settings.local_index
    assert settings.inline
    assert settings.sqlite_path == "syncline-data/documents.db"


@pytest.mark.parametrize(
    ("url", "path"), [("sqlite:///notes.db", "notes.db"), ("sqlite:////var/notes.db", "/var/notes.db"), ("sqlite:///:memory:", ":memory:")]
)
def test_the_store_s_url_names_a_file(url: str, path: str) -> None:
    assert StoreSettings(store=url).sqlite_path == path


@pytest.mark.parametrize(
    ("given", "field", "remedy"),
    [
        ({"store": "notes.db"}, "store", "sqlite:///PATH"),
        ({"store": "sqlite://notes.db"}, "store", "sqlite:///PATH"),
        ({"store": "sqlite:///notes.db?mode=ro"}, "store", "sqlite:///PATH"),
        ({"index": "./index"}, "index", "path:FOLDER"),
        ({"index": "path:"}, "index", "path:FOLDER"),
        ({"index": "http://me:secret@host:6333"}, "index", "index_api_key"),
        ({"collection": "a/b"}, "collection", "pattern"),
        ({"indexing": "later"}, "indexing", "inline"),
        ({"embedder": "cohere:x"}, "embedder", "wordllama"),
        ({"embedder": "openai"}, "embedder", "openai:MODEL"),
        ({"embedder": "wordllama:100"}, "embedder", "256"),
        ({"tombstone_grace": 5}, "settings", "tombstone_grace must be longer"),
        ({"limits": {"key_bytes": 0}}, "limits.key_bytes", "greater than or equal to 1"),
        ({"colection": "x"}, "colection", "no such setting"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(given: dict[str, Any], field: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        store_settings(**given)
    assert str(refused.value).startswith(f"{field}: ")
    assert remedy in str(refused.value)


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)store: .*index: "):
        store_settings(store="x", index="y")


def test_a_secret_is_never_shown() -> None:
    settings = StoreSettings(index="https://host", index_api_key="the-key")
    assert "the-key" not in repr(settings)
    with pytest.raises(ConfigurationError) as refused:
        store_settings(index="http://me:hidden@host")
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("index", "indexing", "inline"),
    [("path:./i", None, True), ("http://h:6333", None, False), ("http://h:6333", "inline", True), ("path:./i", "relay", False)],
)
def test_the_put_indexes_inline_where_the_index_is_local(index: str, indexing: Any, *, inline: bool) -> None:
    assert StoreSettings(index=index, indexing=indexing).inline is inline
