"""What a distribution imports it declares itself: what another one happens to bring along may go with its next version."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = {"contracts": "syncline_contracts", "store": "syncline_store", "sync_worker": "syncline_sync_worker"}


@pytest.mark.parametrize("folder", PACKAGES)
def test_what_is_imported_is_declared(folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *chain.from_iterable(project.get("optional-dependencies", {}).values())]
    wanted = {_name(each) for each in declared}
    of = packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in (ROOT / folder / PACKAGES[folder]).rglob("*.py")
        for module in _imported(ast.parse(path.read_text())) - {PACKAGES[folder]}
        if not wanted & {_name(each) for each in of.get(module, [module])}
    }
    assert not undeclared


def _imported(tree: ast.Module) -> set[str]:
    """Top-level modules, wherever they are imported, that do not come with Python."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()
