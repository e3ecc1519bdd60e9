"""Under a watch: writers at full speed, relay and worker killed again and again, silent damage. No false alarm; all of it found, rightly
named, and mended."""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.damages import WAYS
from tests.crash.watched import RUN, WATCH, Deployment, Watched
from tests.parts.servers.qdrant import QdrantProcess

WRITERS = 2
DEADLINE = 90.0
AT_ONCE = 12
"""Damages that are not mended yet, at most: few beside all documents, as life has it."""


@dataclass(frozen=True)
class Size:
    """How long at least, how many damages, and how long the relay and worker live between two kills."""

    seconds: float
    damages: int
    lives: tuple[float, float]
    seed: int

    def names(self, chance: random.Random) -> list[str]:
        """Every way to damage about as often, in any order."""
        names = [name for _ in range(self.damages // len(WAYS) + 1) for name in chance.sample(list(WAYS), len(WAYS))]
        return names[: self.damages]


@pytest.fixture
def size(*, soak: bool) -> Size:
    return Size(600, 200, (2.0, 12.0), random.randrange(1 << 30)) if soak else Size(8, len(WAYS), (2.0, 4.0), 20261122)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, told: Callable[[], str]) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, told()
        await asyncio.sleep(0.1)


@pytest.mark.timeout(1200)
async def test_no_false_alarm_and_every_damage_is_found_and_mended(
    own_qdrant: QdrantProcess, tmp_path: Path, size: Size, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(size.seed)
    deployment = Deployment(tmp_path, own_qdrant.url)
    try:
        async with Watched.open(deployment.store, chance) as watched:
            killed = await live(deployment, watched, size, chance)
            told = f"{told_of(watched, deployment)}, relay and worker killed {killed} times (seed {size.seed})"
    finally:
        deployment.close()
    with capsys.disabled():
        sys.stdout.write(f"\n  {told}\n")


async def live(deployment: Deployment, watched: Watched, size: Size, chance: random.Random) -> int:
    """The whole course; how often relay and worker were killed."""

    def told() -> str:
        return f"{told_of(watched, deployment)} (seed {size.seed})\n{deployment.said('run')}\n{deployment.said('watch')}"

    await watched.put_cold(size.damages + 2)
    deployment.cli("run", "run", **RUN)
    await until(watched.indexed, DEADLINE, told)
    deployment.cli("watch", "reconcile", "watch", **WATCH)
    for number in range(WRITERS):
        deployment.writer(number, chance.randrange(1 << 30))
    killed = await damage_and_kill(deployment, watched, size, chance, told)
    deployment.kill(*(f"writer-{number}" for number in range(WRITERS)))
    before = watched.walks["in_step"]
    await until(lambda: walked_in_step(watched, before + 2), DEADLINE, told)
    assert deployment.end("watch", 30) == 0, told()
    assert deployment.end("run", 30) == 0, told()
    await watched.look()
    assert not watched.alarms, f"false alarms (seed {size.seed}): {watched.alarms}"
    assert len([harm for harm in watched.harms if harm.mended is not None]) == size.damages, told()
    return killed


async def damage_and_kill(deployment: Deployment, watched: Watched, size: Size, chance: random.Random, told: Callable[[], str]) -> int:
    """Until the time is over, and all that was to be damaged was found and mended."""
    began, killed, names = time.monotonic(), 0, size.names(chance)
    dies, pause = began + chance.uniform(*size.lives), 0.8 * size.seconds / size.damages
    next_harm = began
    while names or watched.open_harms or time.monotonic() < began + size.seconds:
        assert time.monotonic() < began + size.seconds + DEADLINE, told()
        assert not watched.alarms, f"false alarms: {watched.alarms}\n{told()}"
        for name in ("watch", *(f"writer-{number}" for number in range(WRITERS))):
            assert deployment.alive(name), f"{name} ended by itself\n{told()}"
        if names and time.monotonic() >= next_harm and len(watched.open_harms) < AT_ONCE:
            await watched.harm(names.pop())
            next_harm = time.monotonic() + chance.uniform(0, 2 * pause)
        if time.monotonic() >= dies and time.monotonic() < began + size.seconds:
            deployment.kill("run")
            killed += 1
            deployment.cli("run", "run", **RUN)
            dies = time.monotonic() + chance.uniform(*size.lives)
        await watched.look()
        await asyncio.sleep(0.1)
    return killed


async def walked_in_step(watched: Watched, times: int) -> bool:
    await watched.look()
    return watched.walks["in_step"] >= times


def told_of(watched: Watched, deployment: Deployment) -> str:
    """What was seen."""
    mended = [harm for harm in watched.harms if harm.mended is not None]
    finding = sorted((harm.found - harm.made) / 1e6 for harm in mended if harm.found is not None)
    mending = sorted((harm.mended - harm.made) / 1e6 for harm in mended if harm.mended is not None)
    waiting = [f"{harm.name} {harm.ref.key} {'found' if harm.found else 'not found'}" for harm in watched.open_harms]
    times = (
        f"found after {finding[len(finding) // 2]:.1f} s (at most {finding[-1]:.1f}), mended after {mending[-1]:.1f} at most"
        if mended
        else ""
    )
    return (
        f"{len(watched.harms)} damages, {len(mended)} found, named rightly and mended; {times}; waiting: {waiting}; walks {dict(watched.walks)}; "
        f"about {deployment.written()} changes; false alarms: {len(watched.alarms)}"
    )
