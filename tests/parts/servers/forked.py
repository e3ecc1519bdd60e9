"""`syncline` commands as processes that are forked from one which has imported everything: two seconds less for each of a hundred."""

import ctypes
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

from tests.parts.servers.process import Process

SYNCLINE = "syncline_sync_worker.cli.main"
_COMMANDS = (
    "app",
    "cli.migrating",
    "cli.operating",
    "cli.reconciling",
    "cli.reindexing",
    "migrating",
    "processes.relay",
    "processes.worker",
)
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        __name__,
        *(f"syncline_sync_worker.{name}" for name in _COMMANDS),
        "syncline_store.embedding.wordllama",
        "cassandra.cluster",
    ]
)
_SET_PDEATHSIG = 1
"""Linux's number for it (prctl(2))."""


def _become(module: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: tuple[Path, Path]) -> None:
    """What a process does that was started as `python -m MODULE ARGUMENTS...`, in its own session."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGKILL)  # with what forked it, which ends with the tests
    os.setsid()  # Ctrl-C is for the tests
    for number, path in enumerate((Path(os.devnull), *streams)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - multiprocessing put its own there
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


class Forked(Process):
    """A module that runs as a program, with its output in `FOLDER/out.log`. It ends with `stop`, or when this process ends."""

    def __init__(
        self, folder: Path, module: str, *arguments: str, environment: Mapping[str, str], cwd: Path | None = None, err: Path | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "out.log"
        self.log.touch()
        self._child = _FORKS.Process(
            target=_become,
            args=(module, arguments, cwd or folder, {**os.environ, **environment}, (self.log, err or self.log)),
            daemon=True,  # or Python would wait for it when the tests end
        )
        self._child.start()

    @property
    def pid(self) -> int:
        assert self._child.pid is not None
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._child.exitcode

    def join(self, seconds: float) -> None:
        """Returns when it has ended, or the time is over."""
        self._child.join(seconds)

    def stop(self) -> None:
        """Kill it."""
        self._child.kill()
        self._child.join(30)


def ran(folder: Path, *arguments: str, environment: Mapping[str, str], seconds: float) -> "subprocess.CompletedProcess[str]":
    """A `syncline` command to its end, in this folder. Raises TimeoutExpired."""
    own = folder / f"ran-{len(list(folder.glob('ran-*')))}"
    command, err = [SYNCLINE, *arguments], own / "err.log"
    process = Forked(own, *command, environment=environment, cwd=folder, err=err)
    process.join(seconds)
    if process.running:
        process.stop()
        raise subprocess.TimeoutExpired(command, seconds)
    assert process.exit_code is not None
    return subprocess.CompletedProcess(command, process.exit_code, process.log.read_text("utf-8"), err.read_text("utf-8"))
