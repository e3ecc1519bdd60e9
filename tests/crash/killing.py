"""Killing a process in the stage that is wanted: stopped first, so that the stage can be read, then killed for good."""

import os
import signal
import time
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from tests.crash.processes import Place
from tests.crash.stages import IDLE, Stages

PATIENCE = 20.0
"""Seconds to wait for a stage before killing whatever is under way."""


class Victim:
    """A running process and a view of the stage it is in."""

    def __init__(self, place: Place, name: str, process: ForkServerProcess, stages: Stages) -> None:
        self._place = place
        self._name = name
        self._process = process
        self._stages = stages

    def kill_in(self, wanted: str, *, after: float) -> str:
        """Some seconds after it began to work, SIGKILL it in this stage, or after the patience in whatever it does.

        Gives the stage it died in.
        """
        deadline = time.monotonic() + PATIENCE
        while self._stages.now == IDLE and time.monotonic() < deadline and self._alive():
            time.sleep(0.001)
        time.sleep(after)
        self.freeze_in(wanted)
        return self._kill()

    def freeze_in(self, wanted: str) -> None:
        """SIGSTOP it in this stage, or after the patience in whatever it does."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._alive():
            if self._stages.now == wanted:
                self._stop()
                if self._stages.now == wanted:
                    return
                self.thaw()
            time.sleep(0.0001)
        self._stop()

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self._pid, signal.SIGCONT)

    def kill_after(self, seconds: float) -> str:
        """SIGKILL it at that moment; gives the stage it died in."""
        time.sleep(seconds)
        self._alive()
        self._stop()
        return self._kill()

    @property
    def _pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def _alive(self) -> bool:
        """A child that ends by itself failed: it works until it is killed."""
        if self._process.is_alive():
            return True
        raise AssertionError(f"the {self._name} ended by itself: {self._place.errors(self._name).read_text()[-3000:]}")

    def _stop(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)
        status = Path(f"/proc/{self._pid}/stat")
        while status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "TZX":
            time.sleep(0.0001)

    def _kill(self) -> str:
        stage = self._stages.now
        os.kill(self._pid, signal.SIGKILL)
        self._process.join(10)
        assert self._process.exitcode == -signal.SIGKILL
        self._stages.clear()
        return stage


def forking() -> ForkServerContext:
    """Children are forked from a process that has everything imported: they start in milliseconds."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.processes", "qdrant_client", "syncline_store.indexing.indexer"])
    return context


def start(context: ForkServerContext, place: Place, name: str, run: Any, *arguments: Any) -> Victim:
    stages = place.stages(name)
    process = context.Process(target=run, args=(place, *arguments), name=name)
    process.start()
    return Victim(place, name, process, stages)
