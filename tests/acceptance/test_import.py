"""Import: what is unchanged is left alone, what is broken is named, and the rest goes in."""

import json
import os
import signal
from pathlib import Path

from tests.acceptance.conftest import ANIMALS, Cli


def test_a_second_import_of_unchanged_files_writes_nothing(copied: Cli) -> None:
    before = copied.ok("get", "animals", "whale.md", "--data", "data")
    again = copied.ok("import", "animals", "people.jsonl", "--data", "data")
    assert (again["written"], again["unchanged"], again["failed"]) == (0, len(ANIMALS) + 40, 0)
    (copied.folder / "animals" / "whale.md").write_text("# The whale\n\nBigger than a bus.\n")
    changed = copied.ok("import", "animals", "--data", "data")
    assert (changed["written"], changed["unchanged"]) == (1, len(ANIMALS) - 1)
    after = copied.ok("get", "animals", "whale.md", "--data", "data")
    assert after["revision"] > before["revision"]
    assert after["created_at"] == before["created_at"]


def test_a_broken_line_is_named_and_the_others_are_imported(cli: Cli) -> None:
    lines = [json.dumps({"key": f"k{n}", "text": f"number {n}"}) for n in range(5)]
    lines.insert(3, '{"key": "broken", "text": ')
    (cli.folder / "lines.jsonl").write_text("\n".join(lines))
    (cli.folder / "notes").mkdir()
    (cli.folder / "notes" / "good.md").write_text("# Good\n\nfine")
    (cli.folder / "notes" / "latin.txt").write_bytes(b"caf\xe9 au lait")
    (cli.folder / "notes" / "large.txt").write_bytes(b"x " * 600_000)
    ran = cli("import", "lines.jsonl", "notes", "--data", "data", "--json")
    assert ran.code == 1
    assert (ran.json["written"], ran.json["failed"], ran.json["indexed"]) == (6, 3, True)
    named = {problem["origin"]: problem["message"] for problem in ran.json["problems"]}
    assert "not JSON" in named["lines.jsonl:4"]
    assert "UTF-8" in named["notes/latin.txt"]
    assert "1,200,000 bytes" in named["notes/large.txt"]
    assert "lines.jsonl:4" in ran.err


def test_a_value_that_breaks_a_limit_is_named(cli: Cli) -> None:
    lines = ['{"key": "' + "k" * 2000 + '"}', '{"key": "deep", "v": ' + "[" * 100 + "]" * 100 + "}", '{"key": "ok"}']
    (cli.folder / "a.jsonl").write_text("\n".join(lines))
    ran = cli("import", "a.jsonl", "--data", "data")
    assert ran.code == 1
    assert "1 written" in ran.out
    assert "a.jsonl:1: key: is 2,000 bytes" in ran.err
    assert "a.jsonl:2: value" in ran.err


def test_a_missing_folder_is_a_clear_error(cli: Cli) -> None:
    ran = cli("import", "nowhere", "--data", "data", "--json")
    assert ran.code == 2
    assert "nowhere" in ran.json["error"]["message"]
    assert "nowhere" in ran.err
    assert not (cli.folder / "data").exists()


def test_ctrl_c_stops_reading_and_indexes_what_was_stored(cli: Cli) -> None:
    pipe = cli.folder / "slow.jsonl"
    os.mkfifo(pipe)
    process = cli.start("import", "slow.jsonl", "--data", "data", "--json")
    with pipe.open("w") as slow:
        slow.writelines(json.dumps({"key": f"k{n}", "text": f"number {n}"}) + "\n" for n in range(200))
        slow.flush()
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "stopping" in process.stderr.readline()
        slow.writelines(json.dumps({"key": f"k{n}", "text": f"number {n}"}) + "\n" for n in range(200, 400))
    out, _ = process.communicate(timeout=60)
    found = json.loads(out)
    assert process.returncode == 130
    assert (found["stopped"], found["indexed"]) == (True, True)
    assert found["written"] == 128
    status = cli.ok("status", "--data", "data")
    assert (status["documents"], status["points"], status["backlog"]) == (128, 128, 0)


def test_namespaces_and_fields_are_the_users_choice(cli: Cli) -> None:
    (cli.folder / "a.jsonl").write_text('{"id": 7, "bio": "plays the violin", "note": "unrelated"}\n')
    args = ("import", Path("a.jsonl"), "--namespace", "staff/2024", "--key-field", "id", "--text-field", "bio", "--tenant", "acme")
    assert cli.ok(*args, "--data", "data")["namespaces"] == [["staff", "2024"]]
    (hit,) = cli.ok("search", "violin", "--tenant", "acme", "--namespace", "staff", "--data", "data")["hits"]
    assert (hit["namespace"], hit["key"]) == (["staff", "2024"], "7")
    assert hit["snippet"] == "plays the violin"
