"""Documentation that can fail: what the pages say is held against the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from syncline_sync_worker.cli.main import app

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
SCENARIOS = re.findall(r"^\| ([HRCDT]\d+) \|", (ROOT / "docs" / "protocol.md").read_text(), re.MULTILINE)
INVARIANTS = re.findall(r"^(\d+)\. ", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_every_scenario_of_the_protocol_has_a_test_that_names_it() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests" / "scenarios").glob("test_*.py"))
    without = [name for name in SCENARIOS if not re.search(rf"def test_\w*{name.lower()}(?!\d)", tests)]
    assert len(SCENARIOS) == 30
    assert not without


def test_every_invariant_has_a_breakage_that_ci_applies() -> None:
    patches = "\n".join(path.read_text() for path in (ROOT / "tests" / "mutations").glob("*.patch"))
    broken = set(re.findall(r"invariants? (\d+)", patches.lower()))
    assert [str(number) for number in range(1, 13)] == INVARIANTS
    assert not set(INVARIANTS) - broken


def test_nothing_names_a_registry_or_a_path_of_a_machine() -> None:
    forbidden = re.compile(r"https?://(?:[\w.]*pypi|files\.pythonhosted|repo1?\.maven|registry\.npmjs)|/work/(?:main|shared)|/root/")
    folders = ("contracts", "store", "sync_worker", "tests", "docs", "deploy", "requirements", ".ci")
    suffixes = {".py", ".md", ".toml", ".txt", ".in", ".yml", ".yaml", ".sql", ".patch", ".svg", ""}
    files = [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts
    ]
    files += [ROOT / name for name in ("README.md", "Makefile", "pyproject.toml")]
    named = [
        str(path.relative_to(ROOT))
        for path in files
        if path != Path(__file__).resolve() and forbidden.search(path.read_text(errors="ignore"))
    ]
    assert not named


def commands(command: Any, path: str) -> Iterator[str]:
    """typer brings a click of its own, so a group is known by what it has."""
    if not hasattr(command, "commands"):
        yield path
        return
    for name, below in command.commands.items():
        yield from commands(below, f"{path} {name}")


def test_every_command_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `(syncline [a-z- ]+?)(?: [A-Z][^`]*)?` \|", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE))
    assert documented == set(commands(typer.main.get_command(app), "syncline"))
