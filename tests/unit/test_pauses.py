"""Pauses: each twice as long as the one before, up to the longest, and none beyond the end."""

from types import SimpleNamespace

import pytest

from syncline_store.pauses import Pauses


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept, on a clock that only sleeping moves."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("syncline_store.pauses.time", SimpleNamespace(monotonic=lambda: sum(pauses)))
    monkeypatch.setattr("syncline_store.pauses.asyncio", SimpleNamespace(sleep=sleep))
    return pauses


async def test_they_double_up_to_the_longest(slept: list[float]) -> None:
    pauses = Pauses(1, 5)
    assert [await pauses.pause() for _ in range(5)] == [True] * 5
    assert slept == [1, 2, 4, 5, 5]


async def test_the_last_one_ends_when_the_time_is_over(slept: list[float]) -> None:
    pauses = Pauses(1, 5, within=4)
    assert [await pauses.pause() for _ in range(4)] == [True, True, True, False]
    assert slept == [1, 2, 1]
