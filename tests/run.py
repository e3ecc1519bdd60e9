"""All that CI runs, in order, each step timed: `make test`, or `python -m tests.run STEP...` for some of them.

Steps whose names are given run alone. The first step that fails ends the run with its exit code.
"""

import subprocess
import sys
import time
from pathlib import Path

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
    "crash": pytest("tests/crash"),
    "acceptance": pytest("tests/acceptance"),
    "packaging": pytest("tests/packaging"),
    "mutations": pytest("tests/mutations"),
}
ON_REQUEST = {"integration": pytest("tests/integration")}
"""Faults of real servers: broken off, frozen, killed. Their timing is not steady enough yet to stand in everybody's way."""


def run(name: str, command: list[str]) -> float:
    print(f"\n=== {name}: {' '.join(command[1:])}", flush=True)
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    seconds = time.monotonic() - started
    if code:
        print(f"\n{name} failed (exit code {code}) after {seconds:.0f} s", file=sys.stderr)
        sys.exit(code)
    return seconds


def main(names: list[str]) -> None:
    known = STEPS | ON_REQUEST
    unknown = set(names) - set(known)
    if unknown:
        sys.exit(f"no such step: {', '.join(sorted(unknown))} (there are: {', '.join(known)})")
    taken = {name: run(name, known[name]) for name in names or STEPS}
    print("\n" + "\n".join(f"{name:12s} {seconds:6.1f} s" for name, seconds in taken.items()))
    print(f"all passed in {sum(taken.values()):.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
