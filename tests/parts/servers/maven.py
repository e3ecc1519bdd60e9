"""Servers on the JVM from Maven artifacts: their jars, cached inside the repository, and the process."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.parts.servers.process import NoServerError, Process, free_ports, listens

__all__ = ["Jvm", "NoServerError", "fetch", "free_ports", "listens"]

CACHE = Path(__file__).resolve().parents[3] / ".cache" / "servers"
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


class Jvm(Process):
    """A Java process with its output in `FOLDER/out.log`."""

    def __init__(self, folder: Path, jars: Path, arguments: Sequence[str], *, environment: dict[str, str] | None = None) -> None:
        super().__init__(folder, ["java", "-cp", f"{jars}/*", *arguments], environment=environment)
