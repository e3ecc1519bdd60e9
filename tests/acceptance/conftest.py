"""The real command line as subprocesses, on a data folder that is imported once and copied where a test changes it."""

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from syncline_sync_worker.cli.main import main

SYNCLINE = [sys.executable, "-m", "syncline_sync_worker.cli.main"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SYNCLINE_") or name.startswith("SYNCLINE_TEST_")}
ENVIRONMENT |= {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}

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


PRELOADED = multiprocessing.get_context("forkserver")
PRELOADED.set_forkserver_preload(["__main__", "tests.acceptance.conftest", "syncline_sync_worker.app", "syncline_sync_worker.sweep"])


def main_in(folder: Path, arguments: list[str], environment: dict[str, str], streams: tuple[str, str, str]) -> None:
    """What a process does whose imports are done already: the real main, with the streams that it was given."""
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - multiprocessing put its own there
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["syncline", *arguments]
    main()


def documented_keys(*args: str) -> set[str]:
    """What docs/cli.md says of the command's JSON."""
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text().partition("## JSON")[2]
    keys = {}
    for commands, columns in re.findall(r"^\| (`[^|]*`) \| (.*) \|$", page, re.MULTILINE):
        for command in re.findall(r"`([^`]+)`", commands):
            keys[command] = set(re.findall(r"`(\w+)`", columns))
    keys["reconcile repair"] = keys["reconcile check"] | {"applied"}
    return keys.get(" ".join(args[:3])) or keys.get(args[0]) or keys[" ".join(args[:2])]


class Cli:
    """Runs commands in one working folder.

    A call forks a process that has imported everything (a second and a half, forty times over); `fresh` starts a new one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str | Path, env: Mapping[str, str] | None = None, stdin: str = "") -> Ran:
        with tempfile.TemporaryDirectory() as folder:
            streams = [Path(folder, name) for name in ("in", "out", "err")]
            for stream in streams:
                stream.write_text(stdin if stream.name == "in" else "")
            names = tuple(map(str, streams))
            process = PRELOADED.Process(target=main_in, args=(self.folder, [*map(str, args)], ENVIRONMENT | dict(env or {}), names))
            process.start()
            process.join(timeout=60)
            if process.exitcode is None:
                process.kill()
            assert process.exitcode is not None, f"{args} did not end"
            return Ran(process.exitcode, streams[1].read_text(), streams[2].read_text())

    def ok(self, *args: str | Path) -> dict[str, Any]:
        """Run with --json; give the object of a command that must succeed."""
        ran = self(*args, "--json")
        assert ran.code == 0, ran.err or ran.out
        assert set(ran.json) == documented_keys(*map(str, args)), "docs/cli.md names other keys"
        return ran.json

    def fresh(self, *args: str | Path, before: Callable[[], None] | None = None) -> Ran:
        """Run in a process of its own from the start."""
        done = subprocess.run(
            [*SYNCLINE, *map(str, args)],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=before,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *args: str | Path, env: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start a command that goes on."""
        return subprocess.Popen(
            [*SYNCLINE, *map(str, args)],
            cwd=self.folder,
            env=ENVIRONMENT | dict(env or {}),
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
