"""All that CI runs, in order, each step timed: `make test`, or `python -m tests.run STEP...` for some of them.

Steps whose names are given run alone. The first step that fails ends the run with its exit code. One CQL server serves all steps;
it is begun at once, and is up by the time that the first of them needs it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.parts.servers.cassandra import ADDRESS, PID, cql_server
from tests.parts.servers.process import NoServerError

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def tool(name: str, *arguments: str) -> list[str]:
    return [str(BIN / name), *arguments]


def pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]


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
    "acceptance": pytest("tests/acceptance"),
    "distributed": pytest("tests/distributed"),
    "packaging": pytest("tests/packaging"),
    "mutations": pytest("tests/mutations"),
}
ALONE = {"lint", "format", "types", "imports", "unit", "packaging"}
"""Steps that want no CQL server."""


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
        yield told if server.process is None else told | {PID: str(server.process.pid)}


def run(name: str, command: list[str], environment: Mapping[str, str]) -> float:
    print(f"\n=== {name}: {' '.join(command[1:])}", flush=True)
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False).returncode
    seconds = time.monotonic() - started
    if code:
        print(f"\n{name} failed (exit code {code}) after {seconds:.0f} s", file=sys.stderr)
        sys.exit(code)
    return seconds


def main(names: list[str]) -> None:
    unknown = set(names) - set(STEPS)
    if unknown:
        sys.exit(f"no such step: {', '.join(sorted(unknown))} (there are: {', '.join(STEPS)})")
    chosen = names or list(STEPS)
    taken: dict[str, float] = {}
    began = time.monotonic()
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        starting = pool.submit(stack.enter_context, servers()) if set(chosen) - ALONE else None
        for name in chosen:
            given = starting.result() if starting is not None and name not in ALONE else {}
            taken[name] = run(name, STEPS[name], given)
    print("\n" + "\n".join(f"{name:12s} {seconds:6.1f} s" for name, seconds in taken.items()))
    print(f"all passed in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
