"""The wheels build, hold what they should, and install and run in an empty environment."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
UV = str(Path(sys.executable).parent / "uv")
DISTRIBUTIONS = {"contracts": "syncline_contracts", "store": "syncline_store", "sync_worker": "syncline_worker"}
BROKERS = {"aiokafka", "faststream"}

pytestmark = pytest.mark.timeout(600)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("wheels")
    sources = tmp_path_factory.mktemp("sources")
    for folder in DISTRIBUTIONS:
        shutil.copytree(ROOT / folder, sources / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        run(UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", out, sources / folder)
    return {folder: next(out.glob(f"{name}-*.whl")) for folder, name in DISTRIBUTIONS.items()}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    return folder


def install(environment: Path, wheels: dict[str, Path], *folders: str) -> set[str]:
    python = environment / "bin" / "python"
    constraints = ["--constraint", str(ROOT / "requirements" / "dev.txt")]
    run(UV, "pip", "install", "--quiet", "--python", python, *constraints, *(wheels[f] for f in folders))
    return {package["name"] for package in json.loads(run(UV, "pip", "list", "--python", python, "--format", "json"))}


def test_the_wheels_hold_types_and_schema_and_no_tests(wheels: dict[str, Path]) -> None:
    for folder, wheel in wheels.items():
        names = zipfile.ZipFile(wheel).namelist()
        assert any(name.endswith("py.typed") for name in names), folder
        assert not [name for name in names if name.startswith("tests/")], folder
    assert [name for name in zipfile.ZipFile(wheels["store"]).namelist() if name.endswith(".sql")]


def test_the_store_alone_runs_the_readme_example_and_pulls_in_no_broker(wheels: dict[str, Path], environment: Path, tmp_path: Path) -> None:
    installed = install(environment, wheels, "contracts", "store")
    assert not BROKERS & installed
    assert "syncline-worker" not in installed
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example is not None
    (tmp_path / "example.py").write_text(example[1])
    assert "n1" in run(environment / "bin" / "python", "example.py", cwd=tmp_path)


def test_the_worker_brings_the_command_line(wheels: dict[str, Path], environment: Path, tmp_path: Path) -> None:
    installed = install(environment, wheels, *DISTRIBUTIONS)
    assert not BROKERS & installed
    syncline = environment / "bin" / "syncline"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "whales.md").write_text("# Whales\n\nThe blue whale is the largest animal that has ever lived.\n")
    run(syncline, "import", "notes", "--data", "data", cwd=tmp_path)
    found = json.loads(run(syncline, "search", "largest animal", "--data", "data", "--json", cwd=tmp_path))
    assert "whales" in json.dumps(found)
    assert json.loads(run(syncline, "reconcile", "check", "--data", "data", "--json", cwd=tmp_path))
