"""`syncline reconcile check`, killed by SIGKILL on its way and begun again with --resume, comes to the report of one that was not."""

import json
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from syncline_contracts.identity import Ref, point_id
from syncline_store.index.points import Field
from tests.acceptance.conftest import ENVIRONMENT, SYNCLINE

DOCUMENTS = 400
RANGES = {"SYNCLINE_RECONCILE__RANGE_DOCUMENTS": "8"}
CHECK = ("reconcile", "check", "--data", "data", "--settle", "0", "--delay", "0.1")
SLOWLY = ("--rate", "80/s")
"""A walk of five seconds."""
STATE = "walk.json"
TAKES = ("started_at", "seconds")
"""What two checks of the same never have in common."""
PATIENCE = 60.0


def note(number: int) -> Ref:
    return Ref("default", ("notes",), f"n{number}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Both sides with differences of several kinds all over the segments."""
    lines = [json.dumps({"key": note(number).key, "text": f"note number {number}"}) for number in range(DOCUMENTS)]
    (tmp_path / "notes.jsonl").write_text("\n".join(lines))
    run(tmp_path, "import", "notes.jsonl", "--namespace", "notes", "--data", "data", expected=0)
    run(tmp_path, *CHECK, expected=0)  # the marks pass the import
    client = QdrantClient(path=str(tmp_path / "data" / "index"))
    client.delete("syncline", models.PointIdsList(points=[point_id(note(number).document, 0) for number in range(0, DOCUMENTS, 20)]))
    stale = [point_id(note(number).document, 0) for number in range(1, DOCUMENTS, 20)]
    client.set_payload("syncline", {Field.REVISION.value: 7}, points=stale)
    client.close()
    return tmp_path


def test_a_check_that_is_killed_again_and_again_comes_to_the_same_report(folder: Path, *, soak: bool) -> None:
    whole = run(folder, *CHECK, expected=1)
    assert whole["by_kind"] == {"missing": DOCUMENTS // 20, "stale": DOCUMENTS // 20}
    passed = 0
    for _ in range(6 if soak else 2):
        passed = kill_behind(folder, passed)
    resumed = run(folder, *CHECK, "--resume", STATE, expected=1)
    assert comparable(resumed) == comparable(whole)
    assert not (folder / STATE).exists()


def run(folder: Path, *arguments: str, expected: int) -> dict[str, Any]:
    done = subprocess.run(
        command(arguments), cwd=folder, env=ENVIRONMENT | RANGES, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == expected, done.stderr or done.stdout
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def command(arguments: Sequence[str]) -> list[str]:
    return [*SYNCLINE, *arguments, "--json"]


def kill_behind(folder: Path, passed: int) -> int:
    """Kill a check once it has written down that it got beyond a segment, and gives how far it says it was."""
    process = subprocess.Popen(
        command([*CHECK, *SLOWLY, "--resume", STATE]),
        cwd=folder,
        env=ENVIRONMENT | RANGES,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE
    while (now := segment(folder)) <= passed and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(PATIENCE) == -signal.SIGKILL, "it ended by itself"
    assert now > passed, "it never wrote down how far it was"
    return now


def segment(folder: Path) -> int:
    state = folder / STATE
    return int(json.loads(state.read_text())["segment"]) if state.exists() else 0


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    findings = sorted(report["findings"], key=lambda finding: finding["document"])
    return {name: value for name, value in report.items() if name not in TAKES} | {"findings": findings}
