"""Conditional and plain writes of clients that are killed, and whose clocks differ: every key's history is linearizable, and the index
holds what the storage holds in the end."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.document import living
from syncline_store.engines.cql import CqlSettings
from syncline_store.parts import Parts, open_parts
from syncline_store.settings import StoreSettings
from syncline_store.testing import WordEmbedder
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport import DirectPublisher
from tests.crash.clients import KEYS, NAMESPACE, Client, client, open_engine
from tests.crash.killing import forking
from tests.crash.processes import RELAY, TENANT, Place
from tests.parts.history import Op, State, linearizable, of_log
from tests.parts.servers import cql

KEYSPACE = "syncline_conditional"
OFFS = (700_000, 0, -500_000)
"""µs by which the clients' clocks are wrong."""
PATIENCE = 40.0


@pytest.fixture(params=["sqlite", "cql"])
def storage(request: pytest.FixtureRequest) -> Iterator[CqlSettings | None]:
    if request.param == "sqlite":
        yield None
    else:
        yield cql.settings(KEYSPACE)
        cql.drop(KEYSPACE)


def start(context: Any, each: Client) -> ForkServerProcess:
    process: ForkServerProcess = context.Process(target=client, args=(each,), name=each.name)
    process.start()
    return process


def run_clients(clients: Sequence[Client], seconds: float) -> int:
    """All work for that long; those that do not delete are killed and started again meanwhile. Gives how often."""
    context, killed = forking(), 0
    running = {each.name: start(context, each) for each in clients}
    for each in clients:
        await_work(each, 0)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(random.uniform(0.05, 0.5))
        each = random.choice([each for each in clients if not each.deletes])
        running[each.name].kill()
        running[each.name].join(10)
        done = each.log.stat().st_size
        running[each.name] = start(context, each)
        await_work(each, done)
        killed += 1
    for each in clients:
        each.end.touch()
    for each in clients:
        running[each.name].join(30)
        assert running[each.name].exitcode == 0, each.place.errors(each.name).read_text()[-3000:]
    return killed


def await_work(client: Client, done: int) -> None:
    """Until it has logged more than that."""
    deadline = time.monotonic() + PATIENCE
    while not client.log.exists() or client.log.stat().st_size <= done:
        assert time.monotonic() < deadline, client.place.errors(client.name).read_text()[-3000:]
        time.sleep(0.01)


def logged(clients: Sequence[Client]) -> list[dict[str, Any]]:
    return [json.loads(line) for each in clients for line in each.log.read_text().splitlines() if line.endswith("}")]


async def assert_in_step(parts: Parts) -> None:
    """A relay with a short grace for intents publishes what there is, and the index comes to hold what the storage holds."""
    index = await parts.index()
    publisher = DirectPublisher(Handler(await parts.indexer(), parts.engine.dead_letters, clock=parts.clock), max_batch=64)
    relay = Relay(parts.engine, publisher, clock=parts.clock, settings=RELAY.model_copy(update={"intent_grace": 0.2}))
    ended = asyncio.Event()
    refs = [Ref(TENANT, NAMESPACE, key) for key in KEYS]
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run(ended))
        async with asyncio.timeout(PATIENCE):
            while True:
                rows = [living(row, parts.clock.now()) for row in await parts.engine.documents.read(refs)]
                points = await index.points([ref.document for ref in refs])
                heads = [next((point for point in points[ref.document] if point.live), None) for ref in refs]
                if [row and row.revision for row in rows] == [head and head.revision for head in heads]:
                    break
                await asyncio.sleep(0.1)
        ended.set()


async def final_reads(parts: Parts) -> dict[str, Op]:
    at = time.monotonic()
    rows = await parts.engine.documents.read([Ref(TENANT, NAMESPACE, key) for key in KEYS])
    states = [None if row is None or row.value is None else State(row.revision, json.loads(row.value)["name"]) for row in rows]
    return {key: Op("read", at, time.monotonic(), seen=state) for key, state in zip(KEYS, states, strict=True)}


@pytest.mark.timeout(600)
def test_histories_are_linearizable(storage: CqlSettings | None, tmp_path: Path, *, soak: bool) -> None:
    place = Place(tmp_path, "relay")
    clients = [Client(place, f"client{n}", off, deletes=off == 0, cql=storage) for n, off in enumerate(OFFS)]

    async def finish() -> dict[str, Op]:
        clock = Clock()
        engine = await open_engine(place, storage, clock)
        settings = StoreSettings.model_validate({**place.settings.model_dump(), "index": ":memory:"})
        parts = await open_parts(settings, embedder=WordEmbedder(), engine=engine, clock=clock)
        try:
            reads = await final_reads(parts)
            await assert_in_step(parts)
        finally:
            await parts.aclose()
        return reads

    asyncio.run(prepare(place, storage))
    killed = run_clients(clients, 60.0 if soak else 5.0)
    last = asyncio.run(finish())
    histories = of_log(logged(clients))
    told = Counter(op.outcome for history in histories.values() for op in history if op.kind == "if")
    assert killed
    assert min(told["applied"], told["refused"]) >= 10, told
    for key in KEYS:
        assert linearizable([*histories[key], last[key]], apart=storage is not None), f"the history of {key} has no order: {tmp_path}"


async def prepare(place: Place, storage: CqlSettings | None) -> None:
    """The tables are made once, before several clients want them."""
    await (await open_engine(place, storage, Clock())).aclose()
