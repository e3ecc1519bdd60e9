"""What a process does that runs tests in a patched tree. It is a fork of one that has imported what others made, and none of ours."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCES = ("contracts", "store", "sync_worker")
OURS = ("syncline_", "tests")


def run_there(tree: Path, tests: Sequence[str]) -> None:
    """Run them with the tree's modules, until the first fails; what pytest prints goes to `output`, its code is the process's.

    Asserts are not rewritten: what was imported before could not be, and nobody reads how a patch that is seen was seen.
    """
    output = os.open(tree / "output", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(tree)
    there = [str(tree), *(str(tree / folder) for folder in SOURCES)]
    os.environ |= {"PYTHONPATH": os.pathsep.join(there[1:]), "HYPOTHESIS_STORAGE_DIRECTORY": str(tree / ".hypothesis")}
    sys.path[:0] = there
    for name in [name for name in sys.modules if name.startswith(OURS)]:
        del sys.modules[name]

    import pytest  # noqa: PLC0415 - whatever is ours must not be imported before

    sys.exit(pytest.main(["-x", "-p", "no:cacheprovider", "--no-header", "--assert=plain", "--tb=line", *tests]))
