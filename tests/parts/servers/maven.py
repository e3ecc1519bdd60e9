"""Servers on the JVM from Maven artifacts: their jars, cached inside the repository, and a process that dies with the tests."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(__file__).resolve().parents[3] / ".cache" / "servers"
_WATCHDOG = Path(__file__).with_name("watchdog.py")
_FETCHING = 600
"""Seconds that Maven may take to fetch a server's jars."""
_POM = """<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>syncline.tests</groupId>
  <artifactId>server</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>{group}</groupId>
      <artifactId>{artifact}</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""


class NoServerError(Exception):
    """There is no such server here, and why."""


def fetch(group: str, artifact: str, version: str) -> Path:
    """The folder with an artifact's jars and those that it needs. Raises NoServerError without java, Maven or a network."""
    if shutil.which("java") is None or shutil.which("mvn") is None:
        raise NoServerError("java and mvn are not installed")
    folder = CACHE / f"{artifact}-{version}"
    with _locked(CACHE / f"{folder.name}.lock"):
        jars = folder / "lib"
        if not jars.is_dir():
            _copy_dependencies(folder, _POM.format(group=group, artifact=artifact, version=version))
        return jars


def _copy_dependencies(folder: Path, pom: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pom.xml").write_text(pom, encoding="utf-8")
    part = folder / "lib.part"
    shutil.rmtree(part, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(folder / "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={part}"]
    try:
        done = subprocess.run([*command, "-DincludeScope=runtime"], capture_output=True, text=True, timeout=_FETCHING, check=False)
    except subprocess.TimeoutExpired:
        raise NoServerError(f"Maven did not fetch the jars of {folder.name} in {_FETCHING} s") from None
    if done.returncode:
        raise NoServerError(f"Maven could not fetch the jars of {folder.name}: {done.stdout[-500:]}")
    part.rename(folder / "lib")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two test sessions at once: the second waits, then finds the jars."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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


class Jvm:
    """A Java process with its output in `FOLDER/out.log`. It ends with `stop`, or when this process ends, however it does."""

    def __init__(self, folder: Path, jars: Path, arguments: Sequence[str], *, environment: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "out.log"
        self._pid_file = folder / "pid"
        self._pid_file.unlink(missing_ok=True)
        command = ["java", "-cp", f"{jars}/*", *arguments]
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
    def running(self) -> bool:
        return self._process.poll() is None

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

    def stop(self) -> None:
        """Kill it. What it stored is for the tests alone."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(timeout=30)


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
