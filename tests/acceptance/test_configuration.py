"""What the command line, the environment and a file say of a command's settings, and which of them wins."""

from pathlib import Path

import pytest

from syncline_contracts.errors import ConfigurationError, InvalidInput
from syncline_sync_worker.cli.place import Place, changes, who_indexes
from syncline_sync_worker.config import Configuration
from tests.acceptance.conftest import Cli

SERVERS = {"SYNCLINE_STORE": "cql://nowhere.invalid/app", "SYNCLINE_INDEX": "http://nowhere.invalid:6333"}


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVERS.items():
        monkeypatch.setenv(name, value)


def sides(place: Place) -> tuple[str, str]:
    configuration = place.configuration()
    return configuration.store, configuration.index


@pytest.mark.usefixtures("servers")
def test_a_folder_on_the_command_line_holds_both_sides_whatever_the_environment_says() -> None:
    assert sides(Place()) == (SERVERS["SYNCLINE_STORE"], SERVERS["SYNCLINE_INDEX"])
    assert sides(Place(Path("/d"))) == ("sqlite:////d/documents.db", "path:/d/index")
    assert sides(Place(Path("/d"), store="sqlite:////x.db")) == ("sqlite:////x.db", "path:/d/index")
    assert sides(Place(index="path:/i")) == (SERVERS["SYNCLINE_STORE"], "path:/i")


def test_a_command_indexes_itself_and_does_not_keep_a_person_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_INDEXING", "inline")
    found = Place().configuration()
    assert (found.inline, found.write_deadline, found.log.level) == (False, 3.0, "error")
    monkeypatch.setenv("SYNCLINE_WRITE_DEADLINE", "7")
    assert Place().configuration().write_deadline == 7


def test_set_takes_dotted_names_and_yaml() -> None:
    found = changes(("cql.local_dc=dc1", "cql.replication.factors={dc1: 3}", "kafka=", "log.level=info", "index=http://q:6333"))
    assert found == {
        "cql": {"local_dc": "dc1", "replication": {"factors": {"dc1": 3}}},
        "kafka": None,
        "log": {"level": "info"},
        "index": "http://q:6333",
    }


@pytest.mark.parametrize("texts", [("cql",), ("=3",), ("cql..x=1",), ("cql=1", "cql.x=2"), ("cql.x={",)])
def test_a_set_that_is_none_is_refused_without_its_value(texts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match="--set"):
        changes(texts)


def test_a_wrong_set_is_named_as_it_was_typed() -> None:
    with pytest.raises(ConfigurationError, match=r"--set kafka\.clinet \(command line\): there is no such setting"):
        Place(changes=("kafka.clinet=x",)).configuration()
    with pytest.raises(ConfigurationError, match=r"--store \(command line\): must be"):
        Place(store="postgres://x").configuration()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "holds the index (`syncline run`)"),
        ({"index": "http://q:6333"}, "runs beside the servers (`syncline run`)"),
        ({"kafka": {}}, "`syncline worker`"),
    ],
)
def test_who_indexes_is_named(given: dict[str, object], named: str) -> None:
    assert named in who_indexes(Configuration.model_validate(given))


def test_the_environment_and_a_file_say_where(copied: Cli) -> None:
    (copied.folder / "syncline.yaml").write_text("data: data\n")
    for found in (
        copied("status", "--json", env={"SYNCLINE_DATA": "data"}),
        copied("status", "--json", "--config", "syncline.yaml"),
        copied("status", "--json", env={"SYNCLINE_CONFIG": "syncline.yaml"}),
        copied("status", "--json", "--set", "data=data"),
        copied("status", "--json", "--data", "data", env=SERVERS),
    ):
        assert (found.code, found.json["documents"]) == (0, 44), found.err
    shown = copied("status", "--data", "data")
    assert "nothing waits to be indexed" in shown.out


def test_a_misspelt_setting_is_one_line_with_the_remedy(cli: Cli) -> None:
    ran = cli("status", "--json", env={"SYNCLINE_KAFAK__CLIENT": "x"})
    assert (ran.code, ran.json["error"]["kind"]) == (2, "ConfigurationError")
    assert "did you mean SYNCLINE_KAFKA__CLIENT?" in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_with_kafka_run_names_what_to_run_instead(cli: Cli) -> None:
    ran = cli("run", "--set", "kafka.bootstrap_servers=kafka:9092")
    assert ran.code == 2
    assert "`syncline relay` and `syncline worker`" in ran.err
    assert not (cli.folder / "syncline-data").exists()


def test_with_kafka_a_put_leaves_indexing_to_the_workers(cli: Cli) -> None:
    put = cli("put", "a", "k", '{"text": "x"}', "--data", "data", "--set", "kafka.bootstrap_servers=kafka:9092")
    assert put.code == 0
    assert "the workers (`syncline worker`) will index it" in put.out
    assert cli.ok("status", "--data", "data")["backlog"] == 1


def test_the_demo_stays_in_its_folder_whatever_the_environment_says(cli: Cli) -> None:
    (cli.folder / "mine").mkdir()
    (cli.folder / "mine" / "notes.txt").write_text("not a demo's")
    ran = cli("demo", "--data", "mine", env={**SERVERS, "SYNCLINE_KAFKA__CLIENT": "x"})
    assert ran.code == 2
    assert "mine holds data that is not a demo's" in ran.err


def test_status_shows_the_rest_when_index_and_kafka_are_away(copied: Cli) -> None:
    away = ("--data", "data", "--index", "http://127.0.0.1:9", "--set", "kafka.bootstrap_servers=127.0.0.1:9")
    ran = copied("status", *away, "--json")
    assert ran.code == 1
    assert (ran.json["documents"], ran.json["points"], ran.json["unhandled"], len(ran.json["problems"])) == (44, None, None, 2)
    assert [line.partition(":")[0] for line in ran.err.strip().splitlines()] == ["not counted"] * 2
