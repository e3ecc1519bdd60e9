"""Runs a command for as long as its own standard input stays open, so that no server outlives the tests, however they end.

`python watchdog.py PIDFILE COMMAND...`: the parent holds the other end of the pipe; when it dies, even by SIGKILL, the pipe closes.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path


def _end_with(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):  # not by sys.stdin, whose lock a thread that reads would hold while Python ends
        pass
    child.kill()


def main(pid_file: str, *command: str) -> int:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    part = Path(pid_file + ".part")
    part.write_text(str(child.pid), encoding="ascii")
    part.rename(pid_file)
    threading.Thread(target=_end_with, args=[child], daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
