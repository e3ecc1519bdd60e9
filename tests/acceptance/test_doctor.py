"""Doctor: fine where all is well, and each thing that is wrong with what to do about it."""

from typing import Any

from tests.acceptance.conftest import Cli


def levels(found: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(check["part"], check["check"]): check["level"] for check in found["checks"]}


def test_a_folder_in_use_is_well(copied: Cli) -> None:
    copied.ok("status", "--data", "data")
    found = copied.ok("doctor", "--data", "data")
    assert found["levels"]["fail"] == found["levels"]["warn"] == 0
    assert {"configuration", "storage", "index", "embedder"} == {part for part, _ in levels(found)}
    assert found["settings"] == {"data": "command line", "store": "command line", "index": "command line"}
    shown = copied("doctor", "--data", "data", "--strict")
    assert shown.code == 0
    assert "all is well" in shown.out
    assert "44 points" in shown.out


def test_a_folder_that_is_not_there_is_a_warning_and_is_not_made(cli: Cli) -> None:
    found = cli.ok("doctor", "--data", "none")
    assert levels(found)["storage", "file"] == "warn"
    assert not (cli.folder / "none").exists()
    strict = cli("doctor", "--data", "none", "--strict")
    assert strict.code == 1
    assert "syncline migrate" in strict.out


def test_a_server_that_is_away_fails_and_hides_nothing(copied: Cli) -> None:
    ran = copied("doctor", "--data", "data", "--index", "http://127.0.0.1:9", "--set", "kafka.bootstrap_servers=127.0.0.1:9", "--json")
    assert ran.code == 2
    found = levels(ran.json)
    assert found["kafka", "connection"] == found["index", "connection"] == "fail"
    assert found["storage", "dead letters"] == found["embedder", "model"] == "ok"


def test_another_model_and_a_damaged_file_are_named(copied: Cli) -> None:
    (copied.folder / "data" / "documents.db").write_bytes(b"this is no database, whatever it is called" * 100)
    ran = copied("doctor", "--data", "data", "--set", "embedder=wordllama:128", "--json")
    assert ran.code == 2
    failed = {check["part"]: check for check in ran.json["checks"] if check["level"] == "fail"}
    assert set(failed) == {"storage", "index"}
    assert "configured is wordllama" in failed["index"]["said"]
    assert failed["index"]["remedy"]


def test_secrets_are_named_and_not_shown(cli: Cli) -> None:
    ran = cli("doctor", "--data", "data", "--json", env={"SYNCLINE_INDEX_API_KEY": "hush-hush"})
    assert ran.json["settings"]["index_api_key"] == "environment"
    assert "hush" not in ran.out + ran.err
