"""Each invariant is broken on purpose by a small patch, and the test that guards it must fail.

A patch's first lines say what it breaks and which test must see it::

    # breaks: invariant 3, the guard lets an older revision in
    # seen by: tests/scenarios/test_handler.py::test_h1

The patch is applied to a copy of the tree; the test must fail there (pytest's exit code 1: not a crash of the
collection, not "no test found").
"""

import multiprocessing
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutations.mutated import SOURCES, run_there

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
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


@dataclass(frozen=True)
class Run:
    """How the tests of one patch ended; None: the patch does not apply, or they did not end in time."""

    code: int | None
    told: str


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["hypothesis", "pytest", "qdrant_client", "rich", "starlette", "structlog", "typer", "uvicorn", "wordllama"])
"""What takes longest to import is imported once, for all patches; ours and the tests each from its patched tree."""


def planted(tree: Path) -> Path:
    """A copy of all that a test needs."""
    ignore = shutil.ignore_patterns("*-pytest-*.pyc", "*.egg-info", "mutations", ".hypothesis")
    for folder in (*SOURCES, "tests"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tree)
    (tree / ".cache").symlink_to(ROOT / ".cache")  # servers' jars
    return tree


def run_mutated(mutation: Mutation, tree: Path) -> Run:
    planted(tree)
    applied = subprocess.run(
        ["git", "apply", "-p1", str(mutation.patch)], cwd=tree, capture_output=True, text=True, check=False, timeout=60
    )
    if applied.returncode:
        return Run(None, applied.stderr)
    try:
        return run_forked(tree, mutation.seen_by)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def run_unpatched(tree: Path) -> Run:
    """The tests of all patches; those that want servers are left to their own steps."""
    tests = {test for mutation in MUTATIONS for test in mutation.seen_by if test.startswith(("tests/unit", "tests/scenarios"))}
    return run_forked(planted(tree), sorted(tests))


def run_forked(tree: Path, tests: Sequence[str]) -> Run:
    process = FORKS.Process(target=run_there, args=(tree, tests))
    process.start()
    process.join(DEADLINE)
    if late := process.is_alive():
        process.kill()
        process.join()
    told = (tree / "output").read_text()
    return Run(None if late else process.exitcode, told + f"\nno end after {DEADLINE} s" * late)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[dict[Path, Future[Run]]]:
    """Two at a time, the longest first, and only those that were selected. Without a patch: under HERE."""
    chosen = {
        item.callspec.params["mutation"].patch
        for item in request.session.items
        if hasattr(item, "callspec") and "mutation" in item.callspec.params
    }
    with ThreadPoolExecutor(2) as pool:
        unpatched = any(item.name == test_without_a_patch_they_pass.__name__ for item in request.session.items)
        first = {HERE: pool.submit(run_unpatched, tmp_path_factory.mktemp("unpatched"))} if unpatched else {}
        futures = first | {
            m.patch: pool.submit(run_mutated, m, tmp_path_factory.mktemp(m.patch.stem)) for m in MUTATIONS if m.patch in chosen
        }
        yield futures
        for future in futures.values():
            future.cancel()


@pytest.mark.timeout(DEADLINE * 12)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.patch.stem)
def test_the_breakage_is_seen(mutation: Mutation, runs: dict[Path, Future[Run]]) -> None:
    run = runs[mutation.patch].result()
    report = f"{mutation.breaks}\nseen by {', '.join(mutation.seen_by)}\n{run.told[-4000:]}"
    assert run.code == TESTS_FAILED, report
    assert " failed" in run.told, report


@pytest.mark.timeout(DEADLINE * 2)
def test_without_a_patch_they_pass(runs: dict[Path, Future[Run]]) -> None:
    """What fails in a patched tree does so because of the patch."""
    run = runs[HERE].result()
    assert run.code == 0, run.told[-4000:]


def test_every_patch_names_what_it_breaks_and_a_test_that_exists() -> None:
    assert MUTATIONS, "there are no mutations: the invariants would go unguarded"
    for mutation in MUTATIONS:
        for test in mutation.seen_by:
            file, _, name = test.partition("::")
            assert name, f"{mutation.patch.name} names no test in {file}"
            assert f"def {name.split('::')[-1].split('[')[0]}(" in (ROOT / file).read_text(), (
                f"{mutation.patch.name}: {test} does not exist"
            )
