"""`syncline reconcile repair --apply`, ended by SIGTERM on its way, leaves nothing half-done; two of them at once do not fight."""

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from syncline_contracts.identity import Ref, point_id
from tests.acceptance.conftest import Cli
from tests.crash import hot
from tests.crash.damages import WAYS
from tests.crash.watched import COLD, RUN, Deployment, Watched, same
from tests.parts.reconciling import long_text
from tests.parts.servers.qdrant import QdrantProcess

DOCUMENTS = 120
LOST = 80
"""Those whose points are all lost."""
PASSAGES = 3
REPAIR = ("reconcile", "repair", "--apply", "--yes", "--settle", "0", "--delay", "0.1", "--max-share", "1", "--data", "data")
CHECK = ("reconcile", "check", "--settle", "0", "--delay", "0.1", "--sample", "1", "--data", "data")
SLOWLY = {"SYNCLINE_RECONCILE__REPAIR_BATCH": "1", "SYNCLINE_INDEXING_SETTINGS__MAX_BATCH": "2"}
PASSAGE = {"SYNCLINE_INDEXING_SETTINGS__PASSAGE_TOKENS": "16"}
BATCHES_STORED = 2 * 2 * PASSAGES
"""Points of two batches of two documents: the heads of the first are among them."""
CUT_SHORT = 130
PATIENCE = 60.0

Points = dict[str, dict[str, Any] | None]


def note(number: int) -> Ref:
    return Ref("default", ("notes",), f"n{number}")


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Both sides, and most of the index is lost."""
    cli = Cli(tmp_path)
    text = long_text("the cat sat on the mat", "the dog dug a hole", "the bird built a nest")
    lines = [json.dumps({"key": note(number).key, "text": f"{text} {number}"}) for number in range(DOCUMENTS)]
    (tmp_path / "notes.jsonl").write_text("\n".join(lines))
    assert cli("import", "notes.jsonl", "--namespace", "notes", "--data", "data", env=PASSAGE).code == 0
    assert cli(*CHECK, env=PASSAGE).code == 0
    return cli


def points(folder: Path) -> Points:
    """What the index holds: id -> payload."""
    with closing(QdrantClient(path=str(folder / "data" / "index"))) as client:
        records, more = client.scroll("syncline", limit=10_000)
        assert more is None
        return {str(record.id): record.payload for record in records}


def lose(folder: Path) -> None:
    lost: list[models.ExtendedPointId] = [point_id(note(number).document, at) for number in range(LOST) for at in range(5)]
    with closing(QdrantClient(path=str(folder / "data" / "index"))) as client:
        client.delete("syncline", models.PointIdsList(points=lost))


def repairs_written(folder: Path) -> int:
    return counted(folder / "data" / "documents.db", "SELECT count(*) FROM outbox WHERE kind = 'repair'")


def points_stored(folder: Path) -> int:
    (database,) = (folder / "data" / "index" / "collection").glob("*/storage.sqlite")
    return counted(database, "SELECT count(*) FROM points")


def counted(database: Path, statement: str) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        return int(connection.execute(statement).fetchone()[0])


@pytest.mark.parametrize("stage", [repairs_written, points_stored], ids=["while it writes events", "while they are indexed"])
def test_a_repair_that_is_ended_leaves_nothing_half_done(cli: Cli, stage: Callable[[Path], int]) -> None:
    whole = points(cli.folder)
    assert len(whole) >= DOCUMENTS * PASSAGES
    lose(cli.folder)
    before = stage(cli.folder)
    process = cli.start(*REPAIR, env=SLOWLY | PASSAGE)
    wait_for(lambda: stage(cli.folder) > before + (4 if stage is repairs_written else BATCHES_STORED), process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == CUT_SHORT, said
    assert "nothing is lost" in said
    left = points(cli.folder)
    done = heads(left)
    assert heads(whole) - done, "the signal came when all was done"
    for number in range(DOCUMENTS):
        if point_id(note(number).document, 0) in done:
            assert of(left, note(number)) == of(whole, note(number)), "who has its head has all its passages"
    if stage is points_stored:
        assert done & {point_id(note(number).document, 0) for number in range(LOST)}, "the signal came before anything was done"
    else:
        assert 0 < repairs_written(cli.folder) < LOST
    assert cli(*REPAIR, env=PASSAGE).code == 0
    assert cli(*CHECK, env=PASSAGE).code == 0
    assert points(cli.folder) == whole


def heads(held: Points) -> set[str]:
    return {point for point, payload in held.items() if payload is not None and payload["passage"] == 0}


def of(held: Points, ref: Ref) -> Points:
    return {point: payload for point, payload in held.items() if payload is not None and payload["document"] == str(ref.document)}


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


def test_of_two_repairs_of_a_local_index_one_is_told_that_it_is_held(cli: Cli) -> None:
    whole = points(cli.folder)
    lose(cli.folder)
    both = [cli.start(*REPAIR, env=PASSAGE) for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE)[1] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes, said
    assert all(
        code == 0 or (code == 2 and "another process holds the local index" in words) for code, words in zip(codes, said, strict=True)
    )
    assert cli(*CHECK, env=PASSAGE).code == 0
    assert points(cli.folder) == whole


BY_URL = ("--apply", "--yes", "--settle", "0.1", "--delay", "0.1", "--max-share", "1", "--sample", "1")


async def test_two_repairs_at_once_do_not_fight(own_qdrant: QdrantProcess, tmp_path: Path) -> None:
    """Both walk, both write their events, and a worker handles them all the while; an orphan is written again meanwhile."""
    chance, deployment = random.Random(20261122), Deployment(tmp_path, own_qdrant.url)
    ways = [name for name, way in WAYS.items() if name != "expired stranger"]
    try:
        async with Watched.open(deployment.store, chance) as watched:
            await watched.put_cold(3 * len(ways) + 1)
            deployment.cli("run", "run", **RUN)
            await until(watched.indexed)
            for name in 3 * ways:
                await watched.harm(name)
            await repair_twice(deployment, watched)
            await until(lambda: mended(watched))
    finally:
        deployment.close()


async def repair_twice(deployment: Deployment, watched: Watched) -> None:
    written_again = next(harm.ref for harm in watched.harms if harm.way.on_stranger)
    for name in ("first", "second"):
        deployment.cli(name, "reconcile", "repair", *BY_URL)
    revision = await watched.store.tenant(hot.TENANT).put(COLD, written_again.key, {"text": "written again"})
    for name in ("first", "second"):
        assert await asyncio.to_thread(deployment.ended, name, PATIENCE) == 0, deployment.said(name)

    async def is_there() -> bool:
        held = await watched.damage.living(written_again)
        return {payload["revision"] for payload, _ in held.values()} == {revision}

    await until(is_there)
    watched.harms = [harm for harm in watched.harms if harm.ref != written_again]
    await until(lambda: in_step(deployment))
    assert await is_there(), "a repair removed what was written again"


async def mended(watched: Watched) -> bool:
    return all([same(await watched.damage.living(harm.ref), harm.before) for harm in watched.harms])


async def in_step(deployment: Deployment) -> bool:
    deployment.cli("check", "reconcile", "check", "--settle", "0.1", "--delay", "0.1", "--sample", "1")
    return await asyncio.to_thread(deployment.ended, "check", PATIENCE) == 0


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - other processes tell nobody
            await asyncio.sleep(0.1)
