"""One Qdrant stand-in and one embedding endpoint for all rows; how often each row is played."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from syncline_store.embedding.openai import OpenAIEmbedder
from syncline_store.index import client
from syncline_store.settings import EmbeddingSettings
from tests.parts.servers.embedding import EmbeddingServer
from tests.parts.servers.qdrant import QdrantProcess, stand_in

SEEDS, SOAK_SEEDS = 3, 40
FIGURES: list[str] = []
"""What was measured on the way."""


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Says a line in the end, for docs/faults.md."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in FIGURES:
        terminalreporter.write_line(line)


@pytest.fixture
def seeds(*, soak: bool) -> range:
    """What each row is played with."""
    return range(SOAK_SEEDS if soak else SEEDS)


@pytest.fixture(scope="session")
def process() -> Iterator[QdrantProcess]:
    with stand_in() as started:
        yield started


@pytest.fixture
def qdrant_url(process: QdrantProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """All is well with it at first and in the end; nobody waits long for it."""
    monkeypatch.setattr(client, "TIMEOUT", 2)
    process.faults.clear()
    yield process.url
    process.faults.clear()


@pytest.fixture(scope="session")
def endpoint() -> Iterator[EmbeddingServer]:
    with EmbeddingServer(dimensions=32) as server:
        yield server


@pytest.fixture
async def embedder(endpoint: EmbeddingServer) -> AsyncIterator[OpenAIEmbedder]:
    """What asks the endpoint, which is well at first."""
    endpoint.always, endpoint.refuses = None, None
    endpoint.asked.clear()
    settings = {"base_url": endpoint.url, "dimensions": 32, "timeout": 0.3, "max_batch": 16}
    opened = OpenAIEmbedder("hash", EmbeddingSettings.model_validate(settings))
    yield opened
    await opened.aclose()
