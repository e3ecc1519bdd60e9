"""The examples of the documentation run as they stand, and say what their pages promise."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
PAGES = ("langgraph.md", "langchain.md", "scripts.md")
"""Whose Python runs as it stands, all of a page one after another."""
EXPECTED = {
    "agent_memory.py": ["ann: Which nuts do I eat?", "remembered: ['I am allergic to walnuts and other nuts.']", "remembered: []"],
    "rag_ingest.py": [
        "how hot: ['tea']",
        "since 2022: ['coffee']",
        "changed: ['Cold brew steeps in the fridge for a day.']",
        "Question: coffee without heat?",
    ],
    "script.py": ["n3: The kitten chased its own tail.", "long: ['n1', 'n2']", "left: ['n1', 'n3']"],
}


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


def run(folder: Path, *arguments: str | Path) -> str:
    environment = {**os.environ, "LANGSMITH_TRACING": "false", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXPECTED)
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    said = run(tmp_path, EXAMPLES / example)
    assert [line for line in EXPECTED[example] if line not in said] == [], said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_runs(page: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    run(tmp_path, "-c", "\n".join(blocks))
