"""The circuit of each part: opened by failures in a row, one probe at a time, closed by what answered."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest

from syncline_contracts.errors import EmbedderUnavailable, IndexUnavailable, StorageUnavailable, Unavailable
from syncline_sync_worker.handler.circuit import Circuits, Part
from syncline_sync_worker.handler.settings import HandlerSettings
from syncline_sync_worker.observability.metrics import Metrics

OPEN_FOR = 0.05
SETTINGS = HandlerSettings(open_after=3, open_for=OPEN_FOR, retry_for=1)
ALL: tuple[Part, ...] = (StorageUnavailable, IndexUnavailable, EmbedderUnavailable)


class Asked:
    """Work through the circuits, and how often it was really done."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.circuits = Circuits(SETTINGS, self.metrics)
        self.times = 0

    async def work(self, error: BaseException | None = None, *, answered: Iterable[Part] = ALL) -> None:
        async def done() -> None:
            self.times += 1
            if error is not None:
                raise error

        await self.through(done, answered)

    async def through(self, work: Callable[[], Awaitable[None]], answered: Iterable[Part] = ALL) -> None:
        await self.circuits.through(work, lambda _: answered)

    async def fail(self, error: Unavailable, times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(type(error)):
                await self.work(error)

    async def refused(self, part: Part) -> float | None:
        """How long the part is still left alone."""
        before = self.times
        with pytest.raises(part) as refusal:
            await self.work()
        assert self.times == before, "it was asked all the same"
        assert "away" in str(refusal.value) or "429" in str(refusal.value), "the reason is kept"
        return refusal.value.retry_after

    def told(self, part: str) -> tuple[float | None, ...]:
        """open, opened, closed."""
        value = self.metrics.registry.get_sample_value
        changes = [value("syncline_circuit_changes_total", {"part": part, "change": change}) for change in ("opened", "closed")]
        return value("syncline_circuit_open", {"part": part}), *changes


@pytest.fixture
def asked() -> Asked:
    return Asked()


async def test_a_part_that_failed_often_enough_in_a_row_is_left_alone(asked: Asked) -> None:
    await asked.fail(IndexUnavailable("away"), 2)
    assert not asked.circuits.open
    await asked.fail(IndexUnavailable("away"))
    assert asked.circuits.open
    left = await asked.refused(IndexUnavailable)
    assert left is not None
    assert 0 < left <= OPEN_FOR
    assert asked.told("index") == (1, 1, None)
    assert asked.told("embedder") == (0, None, None)


async def test_an_answer_in_between_begins_the_count_anew(asked: Asked) -> None:
    for _ in range(3):
        await asked.fail(IndexUnavailable("away"), 2)
        await asked.work()
    assert not asked.circuits.open


async def test_the_answer_of_one_part_says_nothing_of_another(asked: Asked) -> None:
    for _ in range(2):
        await asked.fail(EmbedderUnavailable("away"))
        await asked.work(answered=(StorageUnavailable, IndexUnavailable))  # only deletions, say
    await asked.fail(EmbedderUnavailable("away"))
    assert await asked.refused(EmbedderUnavailable)


async def test_one_batch_probes_and_the_others_do_not_ask(asked: Asked) -> None:
    await asked.fail(IndexUnavailable("away"), 3)
    await asyncio.sleep(OPEN_FOR)
    answering = asyncio.Event()
    probe = asyncio.create_task(asked.through(_until(answering)))
    await asyncio.sleep(0)
    for _ in range(5):
        assert await asked.refused(IndexUnavailable) is None
    answering.set()
    await probe
    assert not asked.circuits.open
    await asked.work()
    assert asked.told("index") == (0, 1, 1)


async def test_a_probe_that_fails_leaves_the_part_alone_again(asked: Asked) -> None:
    await asked.fail(IndexUnavailable("away"), 3)
    await asyncio.sleep(OPEN_FOR)
    await asked.fail(IndexUnavailable("still away"))
    assert await asked.refused(IndexUnavailable)
    assert asked.told("index") == (1, 1, None), "it was open all the time"


async def test_a_probe_that_is_cancelled_or_meets_another_outage_leaves_the_next_batch_to_probe(asked: Asked) -> None:
    await asked.fail(EmbedderUnavailable("away"), 3)
    await asyncio.sleep(OPEN_FOR)
    probe = asyncio.create_task(asked.through(_until(asyncio.Event())))
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    await asked.fail(IndexUnavailable("away too"))
    await asked.work(answered=(StorageUnavailable, IndexUnavailable))
    assert asked.circuits.open, "the embedder was not asked"
    await asked.work()
    assert not asked.circuits.open


async def test_what_began_before_it_opened_neither_closes_it_nor_keeps_it_open(asked: Asked) -> None:
    release = asyncio.Event()
    early = asyncio.create_task(asked.through(_until(release)))
    late = asyncio.create_task(asked.through(_until(release, IndexUnavailable("away"))))
    await asyncio.sleep(0)
    await asked.fail(IndexUnavailable("away"), 3)
    before = await asked.refused(IndexUnavailable)
    release.set()
    await asyncio.gather(early, late, return_exceptions=True)
    after = await asked.refused(IndexUnavailable)
    assert before is not None
    assert after is not None
    assert after <= before


async def test_retry_after_is_kept_to_and_a_long_one_opens_at_once(asked: Asked) -> None:
    await asked.fail(EmbedderUnavailable("429", retry_after=60))
    left = await asked.refused(EmbedderUnavailable)
    assert left is not None
    assert 59 < left <= 60


async def test_a_short_retry_after_is_the_batchs_own_to_wait_out(asked: Asked) -> None:
    await asked.fail(EmbedderUnavailable("429", retry_after=0.5))
    assert not asked.circuits.open


async def test_an_error_that_is_no_outage_and_an_outage_of_nobody_count_for_nothing(asked: Asked) -> None:
    for error in [ZeroDivisionError(), Unavailable("it took too long")] * 4:
        with pytest.raises(type(error)):
            await asked.work(error)
    assert not asked.circuits.open


def _until(event: asyncio.Event, error: Unavailable | None = None) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        await event.wait()
        if error is not None:
            raise error

    return wait
