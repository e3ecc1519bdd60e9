"""Migrate: in a folder it makes the schema, twice is once, and a server that is away is waited for and named."""

from tests.acceptance.conftest import Cli, documented_keys


def test_a_folder_is_made_ready_and_left_as_it_is(cli: Cli) -> None:
    first, again = cli.ok("migrate", "--data", "data"), cli.ok("migrate", "--data", "data")
    assert (cli.folder / "data" / "documents.db").is_file()
    assert [step["part"] for step in first["steps"]] == ["storage", "index"]
    assert first["steps"][0]["made"] == ["documents.db"]
    assert (again["steps"][0]["made"], again["steps"][0]["there"]) == ([], ["schema"])
    shown = cli("migrate", "--data", "data")
    assert "was there: schema" in shown.out
    assert cli.ok("status", "--data", "data")["documents"] == 0


def test_what_is_away_is_waited_for_by_name_and_then_told(cli: Cli) -> None:
    ran = cli("migrate", "--data", "data", "--set", "kafka.bootstrap_servers=127.0.0.1:9", "--wait", "1", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (2, "TransportUnavailable")
    waiting, ended = ran.err.strip().splitlines()
    assert waiting.startswith("waiting for the topics:")
    assert ended.startswith("error:")
    assert "127.0.0.1" in ended
    assert set(cli.ok("migrate", "--data", "data")) == documented_keys("migrate")
