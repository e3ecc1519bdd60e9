"""The examples of the documentation run as they stand, and say what their pages promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
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


@pytest.mark.parametrize("example", EXPECTED)
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    environment = {**os.environ, "LANGSMITH_TRACING": "false", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, EXAMPLES / example], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in EXPECTED[example] if line not in done.stdout] == [], done.stdout
    assert list(tmp_path.iterdir()) == []
