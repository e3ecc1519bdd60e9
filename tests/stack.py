"""`python -m tests.stack demo`: the demo on the distributed mode, whose servers and processes are started for it and stopped after it.

A server whose address the environment gives (SYNCLINE_TEST_CQL, SYNCLINE_TEST_KAFKA, SYNCLINE_TEST_QDRANT) is used instead.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from tests.parts.servers.process import NoServerError
from tests.parts.stack import QUICK, SYNCLINE, Servers, open_stack, servers

AT_ONCE = {
    **QUICK,
    "SYNCLINE_RELAY__SHORT_OVERLAP": "2",
    "SYNCLINE_RELAY__LONG_OVERLAP": "2",
    "SYNCLINE_CQL__OUTBOX_LATENESS": "2",
}
"""One server that does not fail shows its rows at once: what was written two seconds ago need not count as in flight."""
LONGEST = 300
"""Seconds that the demo may take."""


def demo(
    folder: Path, on: Servers, arguments: Sequence[str], *, say: Callable[[str], object] = lambda _: None, out: IO[str] | None = None
) -> int:
    """Migrate, start a relay and a worker, run the demo on them, stop them. Raises NoServerError where one of them fails."""
    with open_stack(folder, on, AT_ONCE) as stack:
        stack.begin("relay", "relay")
        stack.begin("worker", "worker")
        stack.wait_for("relay", "worker")
        say("`syncline migrate` is done, `syncline relay` and `syncline worker` are ready")
        command = [*SYNCLINE, "demo", "--on-servers", *arguments]
        environment = {**os.environ, **stack.environment}
        code = subprocess.run(command, env=environment, stdout=out, timeout=LONGEST, check=False).returncode
        stack.end("relay", "worker")
    return code


def main(arguments: Sequence[str]) -> int:
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:4.0f} s  {text}\n")

    say("starting a CQL server, Kafka and Qdrant")
    with tempfile.TemporaryDirectory(prefix="syncline-stack-", ignore_cleanup_errors=True) as folder, servers() as on:
        say(f"they are up: {on.told}")
        code = demo(Path(folder), on, arguments, say=say)
    say("all stopped")
    return code


if __name__ == "__main__":
    if sys.argv[1:2] != ["demo"]:
        sys.exit("python -m tests.stack demo [options of `syncline demo`]")
    try:
        sys.exit(main(sys.argv[2:]))
    except NoServerError as error:
        sys.exit(f"{error}")
