"""The sweep on a real store in memory."""

import asyncio

from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.errors import IndexUnavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Page
from syncline_store.testing import open_test_store
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.sweep import Sweep, Swept
from syncline_sync_worker.sweep.sweep import MOST_LETTERS
from tests.parts.clock import SECOND, ManualClock

GRACE = 3600.0
NOTES = ("notes",)
LETTER = DeadLetter(
    document=None, payload=b"", source="inline", error="DocumentRefused", message="no", first_at=7 * SECOND, last_at=8 * SECOND
)


async def test_what_outlived_its_grace_goes_and_nothing_else() -> None:
    time = ManualClock()
    clock = Clock(now=time)
    async with open_test_store(clock=clock, tombstone_grace=GRACE) as store:
        acme, index = store.tenant("acme"), await store.parts.index()
        await acme.put(NOTES, "stays", {"text": "for good"})
        await acme.put(NOTES, "expires", {"text": "for a while"}, ttl=60)
        await acme.put(NOTES, "deleted", {"text": "for now"})
        await acme.delete(NOTES, "deleted")
        sweep = Sweep(store.parts.engine, index, clock=clock, grace=int(GRACE * SECOND))
        assert await sweep.once() == Swept(points=0, rows=0)
        time.forward(61)
        assert (await sweep.once()).points == 0, "an expired point is known for a grace, so that no older version returns (H7)"
        assert await index.count() == 3
        time.forward(GRACE + 60)
        swept = await sweep.once()
        assert swept.points == 2
        assert await index.count() == 1
        assert await acme.get(NOTES, "stays") is not None


async def test_running_waits_out_an_outage_and_ends_with_the_stop() -> None:
    pages = [*range(10_000)]

    class Letters:
        async def scan(self, after: str | None, limit: int, *, closed: bool) -> Page[DeadLetter]:
            assert not closed
            return Page([LETTER], "on" if pages.pop() else None)

    class Engine:
        dead_letters = Letters()

        async def expire(self, now: int) -> int:
            return 2

    class Index:
        def __init__(self) -> None:
            self.calls = 0
            self.again = asyncio.Event()

        async def purge(self, now: int, grace: int) -> int:
            self.calls += 1
            if self.calls == 1:
                raise IndexUnavailable("Qdrant restarts")
            self.again.set()
            return 1

    stop, index, metrics = asyncio.Event(), Index(), Metrics(now=lambda: LETTER.first_at + 90 * SECOND)
    sweep = Sweep(Engine(), index, clock=Clock(), grace=1, metrics=metrics)
    running = asyncio.create_task(sweep.run(stop, every=0.005))
    async with asyncio.timeout(5):
        await index.again.wait()
        stop.set()
        await running
    assert index.calls >= 2
    value = metrics.registry.get_sample_value
    assert value("syncline_dead_letters_oldest_seconds") == 90
    assert value("syncline_dead_letters_open", {"error": "DocumentRefused"}) == MOST_LETTERS
    points, rows = (value("syncline_sweep_removed_total", {"what": what}) for what in ("points", "rows"))
    assert points
    assert rows == 2 * points
