"""Each invariant is broken on purpose by a small patch, and the test that guards it must fail.

A patch's first lines say what it breaks and which test must see it::

    # breaks: invariant 3, the guard lets an older revision in
    # seen by: tests/scenarios/test_handler.py::test_h1

The patch is applied to a copy of the tree; the test must fail there (pytest's exit code 1: not a crash of the
collection, not "no test found").
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCES = ("contracts", "store", "sync_worker")
DEADLINE = 180
TESTS_FAILED = 1


@dataclass(frozen=True)
class Mutation:
    patch: Path
    breaks: str
    seen_by: tuple[str, ...]

    @classmethod
    def read(cls, patch: Path) -> "Mutation":
        lines = [line for line in patch.read_text().splitlines() if line.startswith("# ")]
        fields: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line[2:].partition(": ")
            fields.setdefault(name, []).append(value.strip())
        return cls(patch, fields["breaks"][0], tuple(fields["seen by"]))


MUTATIONS = [Mutation.read(patch) for patch in sorted(HERE.glob("*.patch"))]


def run_mutated(mutation: Mutation, tree: Path) -> subprocess.CompletedProcess[str]:
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "mutations", ".hypothesis")
    for folder in (*SOURCES, "tests"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tree)
    (tree / ".cache").symlink_to(ROOT / ".cache")  # servers' jars
    applied = subprocess.run(
        ["git", "apply", "-p1", str(mutation.patch)], cwd=tree, capture_output=True, text=True, check=False, timeout=60
    )
    if applied.returncode:
        return applied
    path = os.pathsep.join(str(tree / folder) for folder in SOURCES)
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=line", *mutation.seen_by]
    environment = {**os.environ, "PYTHONPATH": path, "HYPOTHESIS_STORAGE_DIRECTORY": str(tree / ".hypothesis")}
    try:
        return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE)
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(command, -1, str(late.stdout), f"no end after {DEADLINE} s")


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[Path, Future[subprocess.CompletedProcess[str]]]]:
    """Two at a time, only those that were selected."""
    chosen = {
        item.callspec.params["mutation"].patch
        for item in request.session.items
        if hasattr(item, "callspec") and "mutation" in item.callspec.params
    }
    with ThreadPoolExecutor(2) as pool:
        futures = {m.patch: pool.submit(run_mutated, m, tmp_path_factory.mktemp(m.patch.stem)) for m in MUTATIONS if m.patch in chosen}
        yield futures
        for future in futures.values():
            future.cancel()


@pytest.mark.timeout(DEADLINE * 12)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.patch.stem)
def test_the_breakage_is_seen(mutation: Mutation, runs: dict[Path, Future[subprocess.CompletedProcess[str]]]) -> None:
    done = runs[mutation.patch].result()
    report = f"{mutation.breaks}\nseen by {', '.join(mutation.seen_by)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert done.returncode == TESTS_FAILED, report
    assert " failed" in done.stdout, report


def test_every_patch_names_what_it_breaks_and_a_test_that_exists() -> None:
    assert MUTATIONS, "there are no mutations: the invariants would go unguarded"
    for mutation in MUTATIONS:
        for test in mutation.seen_by:
            file, _, name = test.partition("::")
            assert name, f"{mutation.patch.name} names no test in {file}"
            assert f"def {name.split('::')[-1].split('[')[0]}(" in (ROOT / file).read_text(), (
                f"{mutation.patch.name}: {test} does not exist"
            )
