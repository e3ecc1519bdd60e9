"""What the engine's suite stands on: an implementation, manual time, and engines on one database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine
from tests.contract.engines import ENGINES, Implementation
from tests.parts.clock import ManualClock

OpenEngine = Callable[[], Awaitable[Engine]]


@pytest.fixture(params=ENGINES, ids=lambda implementation: implementation.name)
def implementation(request: pytest.FixtureRequest) -> Implementation:
    found: Implementation = request.param
    return found


@pytest.fixture
def now() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def open_engine(implementation: Implementation, tmp_path: Path, now: ManualClock) -> AsyncIterator[OpenEngine]:
    """Opens one more engine on the test's database."""
    opened: list[Engine] = []

    async def open_one() -> Engine:
        opened.append(await implementation.open(tmp_path, Clock(now=now)))
        return opened[-1]

    yield open_one
    for engine in opened:
        await engine.aclose()


@pytest.fixture
async def engine(open_engine: OpenEngine) -> Engine:
    return await open_engine()


@pytest.fixture
async def another(engine: Engine, open_engine: OpenEngine, implementation: Implementation) -> Engine:
    """A second engine on the same database."""
    if not implementation.shared:
        pytest.skip("one engine a database")
    return await open_engine()
