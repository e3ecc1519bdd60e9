"""The distributed mode as processes on real servers: processes are killed, a relay is frozen, Kafka is away, the storage stands still.

Whatever happened: every acknowledged change is stored and indexed, deletions are gone, nothing is a dead letter (invariants 1, 2, 4, 6-8).
"""

import asyncio
import os
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.distributed.deployment import DEADLINE, RELAYS, WORKERS, WRITERS, Deployment
from tests.distributed.journal import Told
from tests.parts.consuming import until
from tests.parts.servers.process import freeze
from tests.parts.stack import SHARED, Servers

pytestmark = pytest.mark.timeout(600)

VICTIMS = (RELAYS, WORKERS, WRITERS)
LONGEST_LIFE = 1.0
"""Seconds that a victim works on before it is killed."""
OUTAGE = 4.0
"""Seconds without Kafka: more than the producer's patience."""
BRIEF_WRITES = {"SYNCLINE_WRITE_DEADLINE": "1", "SYNCLINE_CQL__REQUEST_TIMEOUT": "1"}
"""A writer is told soon that it cannot be told."""


@pytest.mark.timeout(36_000)
async def test_each_is_killed_in_turn_and_nothing_acknowledged_is_lost(tmp_path: Path, servers: Servers, *, soak: bool) -> None:
    seed = random.randrange(1 << 30) if soak else 20261122
    chance, rounds, died = random.Random(seed), 200 if soak else 10, Counter[str]()
    async with Deployment.open(tmp_path, servers, SHARED) as deployment:
        async with deployment.marks_only_go_forward():
            for number in range(rounds):
                victim = VICTIMS[number % len(VICTIMS)][number // len(VICTIMS) % 2]
                await deployment.writing()
                await deployment.indexing()
                await asyncio.to_thread(deployment.ready, victim)
                await asyncio.sleep(chance.uniform(0, LONGEST_LIFE))
                deployment.assert_all_run()
                await asyncio.to_thread(deployment.stack.kill, victim)
                await deployment.writing()
                deployment.begin(victim)
                died[victim] += 1
            await asyncio.to_thread(deployment.ready, *RELAYS, *WORKERS)
            await deployment.settled()
        await deployment.reconciled()
        deployment.stack.end(*RELAYS, *WORKERS)
    assert min(died[victim] for kind in VICTIMS for victim in kind) >= rounds // 6, f"seed {seed}"


async def test_a_relay_that_froze_past_its_lease_moves_no_mark_back_and_loses_nothing(tmp_path: Path, servers: Servers) -> None:
    async with Deployment.open(tmp_path, servers, SHARED) as deployment, deployment.marks_only_go_forward():
        await deployment.indexing()
        held = deployment.holders()
        frozen = next(name for name in held.values() if name is not None)
        deployment.stack.freeze(frozen)
        lost = [shard for shard, name in held.items() if name == frozen]
        await until(lambda: any(deployment.holders()[shard] != frozen for shard in lost), DEADLINE)
        await deployment.writing()
        deployment.stack.thaw(frozen)
        await deployment.writing()
        await deployment.settled()


async def test_kafka_is_away_for_a_while_and_nobody_needs_to_do_anything(tmp_path: Path, servers: Servers) -> None:
    if servers.kafka.own is None:
        pytest.skip("this broker is not ours to stop")
    async with Deployment.open(tmp_path, servers, SHARED) as deployment, deployment.marks_only_go_forward():
        await deployment.indexing()
        await asyncio.to_thread(servers.kafka.own.kill)
        await asyncio.sleep(OUTAGE)
        await deployment.writing()  # needs no Kafka
        await asyncio.to_thread(servers.kafka.own.start)
        deployment.assert_all_run()
        await deployment.indexing()
        await deployment.settled()


async def test_writers_are_told_what_nobody_knows_while_the_storage_stands_still(tmp_path: Path, servers: Servers) -> None:
    """The overlap is the default: a batch that was cut off may surface minutes later."""
    if servers.cql.process is None:
        pytest.skip("only a server of our own may be frozen")
    settings = {**SHARED, **BRIEF_WRITES}
    del settings["SYNCLINE_RELAY__LONG_OVERLAP"]
    async with Deployment.open(tmp_path, servers, settings) as deployment:
        await deployment.indexing()
        freeze(servers.cql.process.pid)
        try:
            await until(lambda: deployment.count(Told.UNKNOWN) > 0, DEADLINE)
        finally:
            os.kill(servers.cql.process.pid, signal.SIGCONT)
        await deployment.writing()
        deployment.assert_all_run()
        await deployment.settled()
