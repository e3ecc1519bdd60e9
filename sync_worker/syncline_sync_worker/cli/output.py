"""What a command prints: a table for people or one JSON object for programs on stdout, everything else on stderr."""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from syncline_sync_worker.cli.safe import safe_json


class Output:
    """Where a command's words go. With `as_json`, stdout gets the one object given to `result` or to `failed`."""

    def __init__(self, *, as_json: bool) -> None:
        self.json = as_json
        self.out = _Console(highlight=False, emoji=False)
        self.err = _Console(highlight=False, emoji=False, stderr=True)

    def result(self, data: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print the outcome: `data` as JSON, or what `show` prints for people."""
        if self.json:
            said = json.dumps(data, ensure_ascii=False, allow_nan=False)
            print(safe_json(said), flush=True)  # noqa: T201 - the console would wrap long lines
        else:
            show(self.out)

    def say(self, text: str) -> None:
        """Tell a person what is going on. `text` may hold rich's markup."""
        self.err.print(text, soft_wrap=True)

    def failed(self, kind: str, message: str) -> None:
        """Print an error: one line for people and, with `as_json`, an object {"error": {"kind", "message"}}."""
        if self.json:
            said = json.dumps({"error": {"kind": kind, "message": message}}, ensure_ascii=False)
            print(safe_json(said), flush=True)  # noqa: T201 - as above
        self.err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)

    @property
    def can_ask(self) -> bool:
        """Whether a person sits there."""
        return not self.json and self.err.is_terminal and sys.stdin.isatty()

    def ask(self, question: str) -> bool:
        """Ask a person; who says no is told that nothing was changed.

        Blocks; Ctrl-C ends it as KeyboardInterrupt, where asyncio's handler would wait for the line to end.
        """
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            agreed = self.err.input(f"{question} \\[y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            agreed = False
        finally:
            signal.signal(signal.SIGINT, before)
        if not agreed:
            self.say("[dim]nothing was changed[/]")
        return agreed

    @contextmanager
    def progress(self, what: str, total: int | None = None, unit: str = "docs") -> Iterator[Callable[[int], None]]:
        """Show a bar on stderr (nothing where that is no terminal). Call what is yielded with how many more are done."""
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn() if total is not None else TextColumn("{task.completed:,.0f}"),
            _Speed(unit),
            TimeElapsedColumn(),
            console=self.err,
            transient=True,
            disable=not self.err.is_terminal,
        )
        with bar:
            task = bar.add_task(what, total=total)
            yield lambda more: bar.advance(task, more)


class _Console(Console):
    """Leaves a broken pipe to `running`, which ends quietly; rich would exit on its own."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class _Speed(TextColumn):
    """How many a second."""

    def __init__(self, unit: str) -> None:
        super().__init__("")
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if not speed or speed < 1 else f"{speed:,.0f} {self._unit}/s", style="cyan")


def table(*columns: str, right: tuple[str, ...] = (), title: str | None = None) -> Table:
    """Make an empty table in the house's style; the columns named in `right` hold numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", no_wrap=column in right)
    return made


def counted(number: int, what: str) -> str:
    """Give ``1 document``, ``1,204 documents``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def silence_stdout() -> None:
    """After a broken pipe (``syncline ... | head``) nothing more can be said; Python would complain at exit."""
    sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123 - stays open until the process ends
