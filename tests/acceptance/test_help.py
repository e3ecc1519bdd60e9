"""What a newcomer asks first is answered at once, and shows how each command is used."""

import resource
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from syncline_sync_worker.cli.main import app
from tests.acceptance.conftest import ENVIRONMENT, SYNCLINE

HEAVY = ("qdrant_client", "numpy", "wordllama")


def commands(command: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = getattr(command, "commands", None)
    if below is None:
        return [path]
    return [found for name, sub in below.items() for found in commands(sub, (*path, name))]


COMMANDS = commands(typer.main.get_command(app))


def test_help_takes_less_than_half_a_second_of_cpu() -> None:
    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    took = []
    for _ in range(3):
        before = spent()
        done = subprocess.run([*SYNCLINE, "--help"], capture_output=True, text=True, env=ENVIRONMENT, check=True)
        took.append(spent() - before)
    assert "demo" in done.stdout
    assert min(took) < 0.5


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nsys.argv = ['syncline', 'search', '--help']\nfrom syncline_sync_worker.cli.main import main\n"
        f"try:\n    main()\nexcept SystemExit:\n    pass\nprint([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stderr.strip() == "[]"


def test_all_commands_are_there() -> None:
    named = {" ".join(path) for path in COMMANDS}
    assert named >= {"demo", "import", "search", "get", "run", "status", "reconcile check", "reconcile repair"}
    assert named >= {f"dead-letters {name}" for name in ("list", "show", "replay", "discard")}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_command_shows_examples_and_takes_json(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "100"}).output
    assert f"syncline {' '.join(path)}" in shown.partition("Examples")[2]
    assert "--json" in shown
    assert "--data" in shown


def test_a_wrong_option_is_a_usage_error() -> None:
    done = subprocess.run([*SYNCLINE, "search", "--nonsense"], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 2
    assert "--nonsense" in done.stderr
