"""The late engine holds back what it is told to, until the time has come."""

from collections.abc import AsyncIterator

import pytest

from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Pos
from syncline_store.engines.sqlite import open_sqlite
from tests.parts.clock import SECOND, START, ManualClock
from tests.parts.late_engine import HELD, LateEngine
from tests.parts.writes import ref, write


@pytest.fixture
def now() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def late(now: ManualClock) -> AsyncIterator[LateEngine]:
    engine = LateEngine(await open_sqlite(":memory:", clock=Clock(now=now)), now)
    yield engine
    await engine.aclose()


async def surfaced(late: LateEngine, limit: int = 100) -> list[str]:
    rows = [row for shard in range(late.outbox.shards) for row in await late.outbox.read(shard, Pos(0), Pos(START * 2), limit)]
    return sorted(row.event.key for row in rows)


async def test_outbox_rows_surface_when_their_delay_has_passed(late: LateEngine, now: ManualClock) -> None:
    late.delays.outbox = {ref("b"): 30 * SECOND, ref("c"): HELD}
    for key in "abc":
        await late.documents.write([write(ref(key), 64)])
    assert await surfaced(late) == ["a"]
    now.forward(29.9)
    assert await surfaced(late) == ["a"]
    now.forward(0.1)
    assert await surfaced(late) == ["a", "b"]
    del late.delays.outbox[ref("c")]
    assert await surfaced(late) == ["a", "b", "c"]


async def test_rows_that_did_not_surface_do_not_end_a_page_early(late: LateEngine) -> None:
    late.delays.outbox_default = HELD
    late.delays.outbox[ref("z")] = 0
    await late.documents.write([*(write(ref(f"n{n}"), 64) for n in range(20)), write(ref("z"), 64)])
    assert await surfaced(late, limit=3) == ["z"]


async def test_one_row_may_be_late_alone(late: LateEngine) -> None:
    first, second = write(ref(), 64), write(ref(), 128)
    late.delays.outbox_rows[second.event.id] = HELD
    await late.documents.write([first, second])
    assert await surfaced(late) == ["n1"]


async def test_documents_surface_after_their_event(late: LateEngine, now: ManualClock) -> None:
    await late.documents.write([write(ref(), 64, {"v": 1})])
    late.delays.documents = {ref(): 10 * SECOND, ref("new"): HELD}
    await late.documents.write([write(ref(), 128, {"v": 2}), write(ref("new"), 64)])
    assert await values(late) == ['{"v":1}', None]
    assert await surfaced(late) == ["n1", "n1", "new"]
    now.forward(5)
    await late.documents.write([write(ref(), 192, {"v": 3})])
    now.forward(5)
    assert await values(late) == ['{"v":2}', None]
    assert [row.value for row in (await late.documents.scan("acme", (), None, 10)).items] == ['{"v":2}']
    now.forward(5)
    del late.delays.documents[ref("new")]
    assert await values(late) == ['{"v":3}', '{"text":"new at 64"}']


async def values(late: LateEngine) -> list[str | None]:
    return [row and row.value for row in await late.documents.read([ref(), ref("new")])]
