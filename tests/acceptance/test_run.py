"""Run: the index follows while it runs, others are told who holds it, and Ctrl-C drains."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.conftest import Cli, documented_keys

DATA = ("--data", "data")


@contextmanager
def running(cli: Cli) -> Iterator["subprocess.Popen[str]"]:
    process = cli.start("run", *DATA, "--json")
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "running" in line:
                break
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def line_with(process: "subprocess.Popen[str]", words: str) -> str:
    """Wait for a line on stderr; the test's time-out is the deadline."""
    assert process.stderr is not None
    return next(line for line in process.stderr if words in line)


@pytest.mark.timeout(60)
def test_the_index_follows_while_it_runs_and_a_second_process_is_told(copied: Cli) -> None:
    with running(copied) as process:
        put = copied("put", "animals", "fox.md", '{"text": "The quick brown fox."}', *DATA, "--json")
        assert (put.code, put.json["indexed"]) == (0, False)
        assert "1 document brought" in line_with(process, "brought in step")
        refused = copied("search", "fox", *DATA, "--json")
        assert (refused.code, refused.json["error"]["kind"]) == (2, "IndexLocked")
        assert len(refused.err.strip().splitlines()) == 1
        assert copied.ok("status", *DATA)["points"] is None
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    found = json.loads(out)
    assert set(found) == documented_keys("run")
    assert found["documents"] == 1
    assert copied.ok("search", "quick fox", "--limit", "1", *DATA)["hits"][0]["key"] == "fox.md"


@pytest.mark.timeout(60)
def test_sigterm_drains_what_was_stored_before(copied: Cli) -> None:
    with running(copied) as process:
        copied("put", "animals", "yak.md", '{"text": "A yak."}', *DATA)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["documents"] == 1
