"""The default embedder: offline, beside the event loop, and without a trace in the app's logging."""

import asyncio
import logging
import subprocess
import sys
import time

import numpy as np
import pytest

from syncline_contracts.errors import DocumentRefused
from syncline_store.embedding.wordllama import WordLlamaEmbedder

SCRIPT = """
import asyncio, logging, socket, sys

def refuse(*_, **__):
    raise OSError("no network here")

socket.socket.connect = refuse
from syncline_store.embedding.wordllama import WordLlamaEmbedder
assert "wordllama" not in sys.modules, "it is heavy, and not needed to say its name"
vectors = asyncio.run(WordLlamaEmbedder().embed_documents(["a cat", "a dog", "quarterly tax return"]))
assert float(vectors[0] @ vectors[1]) > float(vectors[0] @ vectors[2])
assert logging.getLogger().handlers == [] and logging.getLogger().level == logging.WARNING, logging.getLogger().handlers
"""


def test_it_loads_without_network_and_leaves_logging_alone() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


async def test_it_leaves_the_event_loop_free() -> None:
    embedder = WordLlamaEmbedder()
    await embedder.embed_documents(["warm"])
    work = asyncio.create_task(embedder.embed_documents(["some words to embed " * 50] * 1024))
    longest, before = 0.0, time.perf_counter()
    while not work.done():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    assert len(await work) == 1024
    assert longest < 0.25, f"the loop stood still for {longest:.2f} s"


async def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(DocumentRefused):
        await WordLlamaEmbedder().embed_documents(["fine", "\ud800"])


async def test_a_text_without_tokens_is_refused() -> None:
    with pytest.raises(DocumentRefused, match="no tokens"):
        await WordLlamaEmbedder().embed_documents([""])


def test_other_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="128"):
        WordLlamaEmbedder(100)


async def test_its_logger_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        vectors = await WordLlamaEmbedder().embed_documents(["a"])
    assert np.isfinite(vectors).all()
    assert caplog.records == []
