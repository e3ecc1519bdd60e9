"""What a machine does to a process: no room, no folder, no reader. One line each, no traceback, and nothing lost."""

import ctypes
import json
import os
import resource
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import Cli

PR_CAPBSET_DROP = 24


def full_disk() -> None:
    """As a full disk does it: no file may grow beyond 100 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_full_disk_is_told_and_what_was_stored_is_indexed_later(cli: Cli) -> None:
    lines = [json.dumps({"key": f"k{n}", "text": f"number {n} " * 40}) for n in range(1000)]
    (cli.folder / "a.jsonl").write_text("\n".join(lines))
    full = cli.fresh("import", "a.jsonl", "--data", "data", "--json", before=full_disk)
    assert full.code == 2
    assert full.json["error"]["kind"] in ("StorageUnavailable", "WriteOutcomeUnknown")
    assert "disk" in full.err
    assert "Traceback" not in full.err
    later = cli.ok("import", "a.jsonl", "--data", "data")
    assert later["written"] + later["unchanged"] == 1000
    assert cli.ok("reconcile", "check", "--data", "data")["verdict"] == "in_step"


def no_special_rights() -> None:
    """Take from root what lets it write anywhere (CAP_DAC_OVERRIDE); nobody else has it."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):
            assert libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())


@pytest.mark.skipif(sys.platform != "linux", reason="rights are dropped with Linux's prctl")
def test_a_read_only_folder_is_a_clear_error(copied: Cli) -> None:
    data = copied.folder / "data"
    paths = [data, *data.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        imported = copied.fresh("import", "animals", "--data", "data", "--json", before=no_special_rights)
        searched = copied.fresh("search", "whale", "--data", "data", "--json", before=no_special_rights)
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)
    for ran in (imported, searched):
        assert ran.code == 2
        assert "write" in ran.json["error"]["message"]
        assert len(ran.err.strip().splitlines()) == 1
    assert copied.ok("search", "whale", "--limit", "1", "--data", "data")["hits"]


def test_a_file_in_the_folders_place_is_a_clear_error(cli: Cli) -> None:
    (cli.folder / "file").write_text("")
    (cli.folder / "a.txt").write_text("words")
    for command in (("import", "a.txt"), ("demo",), ("put", "a", "b", "{}")):
        ran = cli(*command, "--data", "file/data", "--json")
        assert (ran.code, ran.json["error"]["kind"]) == (2, "ConfigurationError"), ran.err
        assert "--data" in ran.json["error"]["message"]


def test_a_database_that_is_none_is_a_clear_error(cli: Cli) -> None:
    (cli.folder / "data").mkdir()
    (cli.folder / "data" / "documents.db").write_bytes(b"this is no database, whatever it is called" * 100)
    ran = cli("get", "a", "b", "--data", "data", "--json")
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_a_reader_that_goes_away_leaves_no_traceback(imported: Path) -> None:
    cli = Cli(imported)
    for more in ((), ("--json",)):
        process = cli.start("get", "animals", "bee.md", "--data", "data", *more)
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
