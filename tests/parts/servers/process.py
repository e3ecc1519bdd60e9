"""A server's process for tests: it dies with them, however they end, and can be frozen where a test asks what its silence does."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_WATCHDOG = Path(__file__).with_name("watchdog.py")
_FREEZING = 10
"""Seconds that a process may take to stand still."""


class NoServerError(Exception):
    """There is no such server here, and why."""


def containers_answer() -> bool:
    """Whether there is a container engine, and quick to say so."""
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=5, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class Process:
    """A command with its output in `FOLDER/out.log`. It ends with `stop`, or when this process ends, however it does."""

    def __init__(self, folder: Path, command: Sequence[str], *, environment: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "out.log"
        self._pid_file = folder / "pid"
        self._pid_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-S", str(_WATCHDOG), str(self._pid_file), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C is for the tests, which then stop their servers
            )

    @property
    def pid(self) -> int:
        """The server's own process id, to freeze it or kill it."""
        self.wait_until(self._pid_file.is_file, 10)
        return int(self._pid_file.read_text(encoding="ascii"))

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        return self.exit_code is None

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Poll until `ready()`. Raises NoServerError with the end of the log when the server ended or time is up."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise NoServerError(f"the server ended by itself:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise NoServerError(f"the server was not ready after {seconds:.0f} s:\n{self.tail()}")
            time.sleep(0.1)

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered. Returns once every thread stands still."""
        freeze(self.pid)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Kill it. What it stored is for the tests alone."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(timeout=30)


def freeze(pid: int) -> None:
    """SIGSTOP to any process. Returns once every thread stands still: one that runs on another core may answer until then."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _FREEZING
    while not _stands_still(pid):
        if time.monotonic() > deadline:
            raise NoServerError(f"process {pid} does not stand still after {_FREEZING} s")
        time.sleep(0.001)


def _stands_still(pid: int) -> bool:
    try:
        states = {status.read_text().rpartition(")")[2].split()[0] for status in Path(f"/proc/{pid}/task").glob("*/stat")}
    except OSError:  # a thread ended meanwhile
        return False
    return states == {"T"}


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
