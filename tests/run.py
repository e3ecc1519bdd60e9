"""All that CI runs, in order, each step timed: `make test`, or `python -m tests.run STEP...` for some of them.

Steps whose names are given run alone, one after another. All are run, also when one fails: what is to be mended is seen at once.
One CQL server serves all steps of a lane; it is begun at once, and is up by the time that the first of them needs it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests.parts.servers import kafka
from tests.parts.servers.cassandra import ADDRESS, CA_FILE, PID, cql_server
from tests.parts.servers.process import NoServerError

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def tool(name: str, *arguments: str) -> list[str]:
    return [str(BIN / name), *arguments]


def pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--durations=8", "--durations-min=5", *arguments]


STEPS = {
    "lint": tool("ruff", "check", "."),
    "format": tool("ruff", "format", "--check", "."),
    "types": tool("mypy"),
    "imports": tool("lint-imports", "--no-cache"),
    "unit": pytest("tests/unit", "tests/docs"),
    "contract": pytest("tests/contract"),
    "scenarios": pytest("tests/scenarios", "tests/statemachine"),
    "integration": pytest("tests/integration"),
    "crash": pytest("tests/crash"),
    "faults": pytest("tests/faults"),
    "acceptance": pytest("tests/acceptance"),
    "distributed": pytest("tests/distributed"),
    "packaging": pytest("tests/packaging"),
    "mutations": pytest("tests/mutations"),
}
ON_DISK = {"packaging"}
"""Steps that keep their files on the disk: uv links from its cache there, and copies to anywhere else."""
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
ENOUGH = 4_000_000_000
"""Bytes of memory for temporary files: some hundred MB are needed, and as much again must be left."""
ALONE = {"lint", "format", "types", "imports", "unit", "packaging"}
"""Steps that want no CQL server."""
CHECKS = ("types", "lint", "format", "imports")
LONGEST_FIRST = ("integration", "contract", "distributed", "acceptance", "mutations", "unit", "crash", "faults", "scenarios", "packaging")
"""What two lanes take turns to run, behind the checks, while the servers start. Three lanes were no faster on two cores."""


@contextmanager
def servers() -> Iterator[Mapping[str, str]]:
    """What tells tests of a CQL server, which ends with the block. Nothing where there is none: then they say so themselves."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(cql_server())
        except NoServerError:
            yield {}
            return
        told = {ADDRESS: f"{server.host}:{server.port}"}
        if server.process is not None:
            told[PID] = str(server.process.pid)
        if server.ca_file is not None:
            told[CA_FILE] = str(server.ca_file)
        yield told


@contextmanager
def files_in_memory() -> Iterator[None]:
    """Temporary files, the servers' too, are kept in memory where there is enough.

    Each commit of SQLite, and each change of a schema, waits for the disk otherwise, which the other lane keeps busy.
    """
    if not MEMORY.is_dir() or min(shutil.disk_usage(MEMORY).free, _memory_available()) < ENOUGH:
        yield
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="syncline-tests-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = None


def _memory_available() -> int:
    """Bytes, as Linux says."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    return int(found[1]) * 1_000 if found else 0


@dataclass
class Lanes:
    """Steps to be taken, in order, by whoever is free; each lane has a CQL server of its own.

    With `quiet`, what a step prints is shown once it has ended, or the lanes' lines would mix.
    """

    names: Sequence[str]
    quiet: bool
    taken: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._left = iter(self.names)  # shared by the lanes' threads: each step comes out of it once

    def run(self) -> None:
        with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
            starting = pool.submit(stack.enter_context, servers()) if set(self.names) - ALONE else None
            if starting is not None:
                pool.submit(kafka.prepare)  # afterwards, and before a test asks
            for name in self._left:
                self._step(name, starting.result() if starting is not None and name not in ALONE else {})

    def _step(self, name: str, environment: Mapping[str, str]) -> None:
        command = STEPS[name]
        title = f"\n=== {name}: {' '.join(command[1:])}"
        if not self.quiet:
            print(title, flush=True)
        began = time.monotonic()
        files = {} if name in ON_DISK else {"TMPDIR": tempfile.gettempdir()}
        with tempfile.TemporaryFile("w+") if self.quiet else nullcontext() as output:
            code = subprocess.run(
                command, cwd=ROOT, env={**os.environ, **files, **environment}, stdout=output, stderr=output, check=False
            ).returncode
            self.taken[name] = time.monotonic() - began
            if output is not None:
                output.seek(0)
                print(f"{title}\n{output.read()}({self.taken[name]:.0f} s)", flush=True)
        if code:
            self.failed.append(f"{name} failed (exit code {code}) after {self.taken[name]:.0f} s")


def run(names: Sequence[str], lanes: int = 1) -> dict[str, float]:
    """What each step took, in seconds. All of them are run, then what failed ends the process."""
    steps = Lanes(names, quiet=lanes > 1)
    with ThreadPoolExecutor(lanes) as pool:
        for future in [pool.submit(steps.run) for _ in range(lanes)]:
            future.result()
    if steps.failed:
        sys.exit("\n" + "\n".join(steps.failed))
    return steps.taken


def main(names: list[str]) -> None:
    unknown = set(names) - set(STEPS)
    if unknown:
        sys.exit(f"no such step: {', '.join(sorted(unknown))} (there are: {', '.join(STEPS)})")
    began = time.monotonic()
    with files_in_memory():
        taken = run(names) if names else run((*CHECKS, *LONGEST_FIRST), lanes=2)
    print("\n" + "\n".join(f"{name:12s} {seconds:6.1f} s" for name, seconds in taken.items()))
    print(f"all passed in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
