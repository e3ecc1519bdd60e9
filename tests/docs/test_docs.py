"""Documentation that can fail: what the pages say is held against the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from syncline_sync_worker.cli.main import app

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
SCENARIOS = re.findall(r"^\| ([HRCDT]\d+) \|", (ROOT / "docs" / "protocol.md").read_text(), re.MULTILINE)
COMMAND: Any = typer.main.get_command(app)
INVARIANTS = re.findall(r"^(\d+)\. ", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_into_a_page_meets_a_heading(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]*\.md)?#([^)]+)\)", page.read_text())
    missing = [f"{to}#{heading}" for to, heading in targets if heading not in headings(page.parent / to if to else page)]
    assert not missing


def headings(page: Path) -> set[str]:
    """As links name them: in small letters, spaces as hyphens, nothing else but letters and digits."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


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
    assert documented == set(commands(COMMAND, "syncline"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_says_to_type_is_there_to_be_typed(page: Path) -> None:
    """Commands in its text and blocks: each word of theirs, and each option."""
    assert [line for line in said(page.read_text()) if not typed(COMMAND, line.split())] == []


@pytest.mark.parametrize("path", [*commands(COMMAND, "syncline")])
def test_the_examples_of_a_help_are_there_to_be_typed(path: str) -> None:
    shown = CliRunner().invoke(app, [*path.split()[1:], "--help"], env={"COLUMNS": "300"}).output
    examples = said(shown.partition("Examples")[2])
    assert examples
    assert [line for line in examples if not typed(COMMAND, line.split())] == []


def said(text: str) -> list[str]:
    """What stands behind each `syncline`."""
    return re.findall(r"(?:`|^\s*|/bin/)syncline ([a-z][^`\n#|>]*)", text, re.MULTILINE)


def typed(command: Any, words: list[str]) -> bool:
    """Whether there is such a command, or group of commands, and it has all options that are given."""
    if words and words[0] in getattr(command, "commands", ()):
        return typed(command.commands[words[0]], words[1:])
    options = {option for parameter in command.params for option in parameter.opts}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    return (not words or not hasattr(command, "commands")) and given <= options
