"""The real command line as subprocesses, on a data folder that is imported once and copied where a test changes it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SYNCLINE = [sys.executable, "-m", "syncline_sync_worker.cli.main"]
ENVIRONMENT = {**os.environ, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
ENVIRONMENT.pop("SYNCLINE_DATA", None)

ANIMALS = {
    "whale": "The blue whale is the largest animal that has ever lived in the sea.",
    "cheetah": "No animal runs faster than the cheetah.",
    "bee": "Honey bees dance to tell each other where the flowers are.",
    "owl": "Owls hunt at night and hear a mouse below the snow.",
}


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout; anything else there fails the test."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


class Cli:
    """Runs commands in one working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, *args: str | Path, env: Mapping[str, str] | None = None, stdin: str | None = None, before: Callable[[], None] | None = None
    ) -> Ran:
        done = subprocess.run(
            [*SYNCLINE, *map(str, args)],
            cwd=self.folder,
            env={**ENVIRONMENT, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=before,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def ok(self, *args: str | Path) -> dict[str, Any]:
        """Run with --json; give the object of a command that must succeed."""
        ran = self(*args, "--json")
        assert ran.code == 0, ran.err or ran.out
        return ran.json

    def start(self, *args: str | Path) -> "subprocess.Popen[str]":
        """Start a command that goes on."""
        return subprocess.Popen(
            [*SYNCLINE, *map(str, args)],
            cwd=self.folder,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``animals/`` and ``people.jsonl``, and both imported into ``data``. Read only: take `copied` to write."""
    root = tmp_path_factory.mktemp("imported")
    write_corpus(root)
    found = Cli(root).ok("import", "animals", "people.jsonl", "--data", "data")
    assert (found["written"], found["failed"]) == (len(ANIMALS) + 40, 0)
    return root


@pytest.fixture
def copied(imported: Path, tmp_path: Path) -> Cli:
    shutil.copytree(imported, tmp_path, dirs_exist_ok=True)
    return Cli(tmp_path)


def write_corpus(root: Path) -> None:
    for name, text in ANIMALS.items():
        (root / "animals").mkdir(exist_ok=True)
        (root / "animals" / f"{name}.md").write_text(f"# The {name}\n\n{text}\n")
    people = [{"key": f"p{n}", "text": f"Person {n} likes the number {n * n}.", "team": f"t{n % 4}", "age": n} for n in range(40)]
    (root / "people.jsonl").write_text("".join(json.dumps(person) + "\n" for person in people))
