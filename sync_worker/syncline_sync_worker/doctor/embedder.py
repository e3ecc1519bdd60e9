"""The embedding model: one text through it."""

import time
from collections.abc import AsyncGenerator

from syncline_store.embedding.build import build_embedder
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.doctor.finding import Finding, fail, ok

_TEXT = "The quick brown fox jumps over the lazy dog."


async def look(configuration: Configuration) -> AsyncGenerator[Finding, None]:
    """Raises EmbedderUnavailable, ConfigurationError, DocumentRefused."""
    embedder = build_embedder(configuration)
    try:
        await embedder.embed_documents([_TEXT])  # a model is loaded at the first call
        began = time.monotonic()
        vectors = await embedder.embed_documents([_TEXT])
        took = time.monotonic() - began
        said = f"{embedder.model}: {embedder.dimensions} dimensions, one text in {took * 1000:,.0f} ms"
        if vectors.shape != (1, embedder.dimensions):
            yield fail("model", f"{said}, but its vectors have {vectors.shape[-1]} dimensions", "say how many it has in `embedder`")
        else:
            yield ok("model", said)
    finally:
        await embedder.aclose()
