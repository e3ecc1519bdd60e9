"""A store in memory."""

from typing import Any

from syncline_contracts.revision import Clock
from syncline_store.embedding.protocol import Embedder
from syncline_store.store import Opening, open_store
from syncline_store.testing.embedder import WordEmbedder


def open_test_store(*, embedder: Embedder | None = None, clock: Clock | None = None, **settings: Any) -> Opening:
    """Open a store of its own, all of it in memory, real in everything but the embedding model: see `open_store`.

    Puts index inline unless ``indexing="relay"`` is given. ``clock=Clock(now=...)`` lets a test make documents expire.
    """
    chosen = {"store": "sqlite:///:memory:", "index": ":memory:", **settings}
    return open_store(embedder=embedder or WordEmbedder(), clock=clock, **chosen)
