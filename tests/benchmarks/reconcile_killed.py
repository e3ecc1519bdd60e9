"""A check on a real CQL server that is killed by SIGKILL in mid-walk, twice, and begun again where it was: the same report.

Not a part of `make bench`: `python -m tests.benchmarks reconcile_killed` takes a minute for 100,000 documents,
`SYNCLINE_BENCH_DOCUMENTS=1000000` before it some ten.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient, models

from syncline_contracts.identity import SEGMENTS, Ref, point_id
from syncline_store.engines.columns import encoded
from syncline_store.engines.cql.partition import bucket
from syncline_store.index.points import Field
from tests.benchmarks.figure import Figure
from tests.benchmarks.reconcile_corpus import BUCKETS, PER_NAMESPACE, refs
from tests.benchmarks.reconcile_million import COLLECTION, Both, both
from tests.parts.servers import cql
from tests.parts.servers.cassandra import ADDRESS

DOCUMENTS = int(os.environ.get("SYNCLINE_BENCH_DOCUMENTS", "100000"))
EACH = 3_000
"""One document in so many of each kind of damage."""
KILLED_AT = (SEGMENTS // 3, SEGMENTS * 2 // 3)
"""Segments that the walk must have passed, and written down, before it is killed."""
RATE = max(DOCUMENTS // 12, 30_000)
"""Documents a second: a walk of some seconds at least, as its state is saved once a second."""
TAKES = ("started_at", "seconds")
"""What two checks of the same never have in common."""
PATIENCE = 600.0

Side = Sequence[str]


def damage(keyspace: str, url: str) -> dict[str, int]:
    """Documents without a point, with a point of an older revision, and points without a row; how many of each."""
    chosen = [ref for namespace in range(DOCUMENTS // PER_NAMESPACE) for ref in refs(namespace)][:: EACH // 3]
    missing, stale, orphan = chosen[::3], chosen[1::3], chosen[2::3]
    client = QdrantClient(url=url, timeout=60, check_compatibility=False)
    client.delete(COLLECTION, models.PointIdsList(points=_heads(missing)))
    client.set_payload(COLLECTION, {Field.REVISION.value: 7}, points=_heads(stale))
    client.close()
    session = cql.admin()
    gone = session.prepare(f"DELETE FROM {keyspace}.documents WHERE tenant = ? AND namespace = ? AND bucket = ? AND key = ?")
    for ref in orphan:
        session.execute(gone, (ref.tenant, encoded(ref.namespace), bucket(ref.key, BUCKETS), ref.key))
    return {"missing": len(missing), "stale": len(stale), "orphan": len(orphan)}


def _heads(of: Sequence[Ref]) -> list[models.ExtendedPointId]:
    return [point_id(ref.document, 0) for ref in of]


def begin(keyspace: str, url: str, state: Path) -> "subprocess.Popen[str]":
    """A check in a process of its own, which goes on where the state says."""
    at = cql.server()
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.reconcile_side", "resume", keyspace, url, COLLECTION, str(state), str(RATE)],
        env=os.environ | {ADDRESS: f"{at.host}:{at.port}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def report(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """What it found, without what two checks of the same never have in common."""
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(said)
    findings = sorted(found["findings"], key=lambda finding: str(finding["document"]))
    return {name: value for name, value in found.items() if name not in TAKES} | {"findings": findings}


def kill_behind(process: "subprocess.Popen[str]", state: Path, passed: int) -> int:
    """SIGKILL once it has written down that it passed a segment; how far it says it was."""
    deadline = time.monotonic() + PATIENCE
    while (now := segment(state)) < passed and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, "it ended by itself"
    assert passed <= now < SEGMENTS, now
    return now


def segment(state: Path) -> int:
    return int(json.loads(state.read_text())["segment"]) if state.exists() else 0


def killed_and_resumed(servers: Both, state: Path) -> tuple[dict[str, Any], float, list[int]]:
    """The report, the seconds that all its walks took together, and where it was killed."""
    started = time.perf_counter()
    at = [kill_behind(begin(servers.keyspace, servers.url, state), state, passed) for passed in KILLED_AT]
    found = report(begin(servers.keyspace, servers.url, state))
    assert not state.exists()
    return found, time.perf_counter() - started, at


async def bench() -> list[Figure]:
    with both() as servers, tempfile.TemporaryDirectory() as folder:
        await servers.prepare()
        await asyncio.to_thread(servers.fill, DOCUMENTS)
        expected = await asyncio.to_thread(damage, servers.keyspace, servers.url)
        started = time.perf_counter()
        whole = await asyncio.to_thread(report, begin(servers.keyspace, servers.url, Path(folder) / "whole.json"))
        once = time.perf_counter() - started
        resumed, thrice, at = await asyncio.to_thread(killed_and_resumed, servers, Path(folder) / "walk.json")
    found = {kind: sum(finding["kind"] == kind for finding in whole["findings"]) for kind in expected}
    assert (found, whole["refused"]) == (expected, None), (found, expected, whole["refused"], whole["young"])
    assert (whole["documents"], whole["points"]) == (DOCUMENTS - expected["orphan"], DOCUMENTS - expected["missing"])
    assert resumed == whole
    print(f"killed behind the segments {at} of {SEGMENTS}; both reports: {found} of {whole['documents']:,} documents")
    return [Figure(f"reconcile {DOCUMENTS:,}: killed twice and resumed (raw: not killed)", thrice, once, "s", better="lower")]
