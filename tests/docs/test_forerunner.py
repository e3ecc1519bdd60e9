"""Each fault of the forerunner names tests, and they are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| (?!fault \||---)([^|]+) \|[^|]+\| ([^|]+) \|$", (ROOT / "docs" / "forerunner.md").read_text(), re.MULTILINE)


def test_the_page_has_its_rows() -> None:
    assert len(ROWS) == 18


@pytest.mark.parametrize(("fault", "tests"), ROWS, ids=[fault for fault, _ in ROWS])
def test_a_fault_names_tests_that_are_there(fault: str, tests: str) -> None:
    named = re.findall(r"`([^`:]+)::(\w+)`", tests)
    assert named, fault
    missing = [f"{path}::{name}" for path, name in named if not re.search(rf"\bdef {name}\(", (ROOT / path).read_text())]
    assert missing == []
