"""Runs a command to its exit code: signals, errors, and what is said about them.

Exit codes: 0 fine; 1 drift, or part of the work could not be done; 2 it could not be done at all; 70 a fault of
Syncline's own; 130 cut short.
"""

import asyncio
import contextlib
import logging
import signal
import sqlite3
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.markup import escape

from syncline_contracts.errors import SynclineError
from syncline_sync_worker.cli.output import Output, counted, silence_stdout
from syncline_sync_worker.cli.place import Place

if TYPE_CHECKING:
    from syncline_sync_worker.app import App
    from syncline_sync_worker.config import Configuration

FINE = 0
PARTLY = 1
FAILED = 2
FAULT = 70
CUT_SHORT = 130
EXTRAS = {"aiokafka": "syncline-worker[kafka]", "faststream": "syncline-worker[kafka]"}
"""Packages that a configuration may need, and where they come from."""


@dataclass(frozen=True, slots=True)
class Session:
    """What every command is given: where the data is, where its words go, and whether it should come to an end."""

    place: Place
    output: Output
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def open(self, configuration: "Configuration | None" = None, *, make: bool = False) -> AsyncIterator["App"]:
        """Open what is at the place. Without `make` it must be there: a command that reads makes no empty store."""
        from syncline_sync_worker.app import open_app  # noqa: PLC0415 - numpy, qdrant-client: longer than --help may take

        configuration = configuration or self.place.configuration()
        if make:
            self.place.make(configuration)
        else:
            self.place.expect(configuration)
        async with open_app(configuration) as app:
            yield app
            if app.buried:
                documents = counted(app.buried, "document")
                self.output.say(f"[yellow]{documents} could not be indexed:[/] syncline dead-letters list{self.place.option}")


def run(session: Session, body: Callable[[Session], Awaitable[int]], *, drains: bool) -> int:
    """Run a command and give its exit code.

    The first Ctrl-C (or SIGTERM) sets `session.stop` for a command that `drains`, and cancels any other; the second cancels.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # what libraries warn of, the command says itself
    try:
        return asyncio.run(_with_signals(session, body, drains=drains))
    except (asyncio.CancelledError, KeyboardInterrupt):
        session.output.say("[yellow]cut short; nothing is lost: what is pending is taken up by the next command[/]")
        return CUT_SHORT
    except BrokenPipeError:
        silence_stdout()
        return FINE
    except Exception as error:  # noqa: BLE001 - the last stop: every error ends as a line and an exit code
        return _failed(session.output, error)


async def _with_signals(session: Session, body: Callable[[Session], Awaitable[int]], *, drains: bool) -> int:
    task = asyncio.ensure_future(body(session))

    def interrupt() -> None:
        if drains and not session.stop.is_set():
            session.stop.set()
            session.output.say("[yellow]stopping: finishing what is under way (once more to cut it short)[/]")
        else:
            task.cancel()

    with _signals(interrupt):
        return await task


@contextlib.contextmanager
def _signals(interrupt: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []
    with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


def _failed(output: Output, error: Exception) -> int:
    cause = first_of(error)
    if isinstance(cause, SynclineError):
        output.failed(type(cause).__name__, str(cause))
        return FAILED
    if isinstance(cause, ModuleNotFoundError) and cause.name in EXTRAS:
        output.failed("ConfigurationError", f"what is configured needs {cause.name}: pip install '{EXTRAS[cause.name]}'")
        return FAILED
    if isinstance(cause, OSError | sqlite3.OperationalError):
        output.failed("StorageUnavailable", f"{cause}: is the disk full or read-only, or may this user not write there?")
        return FAILED
    output.failed(type(cause).__name__, f"a fault of Syncline's own, please report it: {type(cause).__name__}: {cause}")
    output.say(f"[dim]{escape(''.join(traceback.format_exception(cause, limit=-4)))}[/]")
    return FAULT


def first_of(error: Exception) -> Exception:
    """Tasks that run side by side fail as a group: the first of it tells the story."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
