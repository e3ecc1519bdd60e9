"""Where a setting comes from, which source wins, and what is said of a wrong one."""

from pathlib import Path

import pytest

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.config import load
from syncline_sync_worker.config.load import environment_name, names


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for path, _ in names():
        monkeypatch.delenv(environment_name(path), raising=False)
    monkeypatch.delenv("SYNCLINE_CONFIG", raising=False)


def written(folder: Path, text: str) -> Path:
    file = folder / "syncline.yaml"
    file.write_text(text)
    return file


def test_nothing_said_is_the_embedded_mode_in_the_data_folder() -> None:
    found = load()
    assert found.store == f"sqlite:///{Path('syncline-data').absolute()}/documents.db"
    assert found.index == f"path:{Path('syncline-data').absolute()}/index"
    assert found.kafka is None


def test_the_data_folder_moves_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_DATA", "/srv/notes")
    assert load().store == "sqlite:////srv/notes/documents.db"
    assert load().index == "path:/srv/notes/index"


def test_the_later_source_wins_setting_by_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, "store: cql://db/app\nkafka:\n  bootstrap_servers: k1:9092\n  events: {partitions: 6, replication: 1}\n")
    monkeypatch.setenv("SYNCLINE_KAFKA__BOOTSTRAP_SERVERS", "k2:9092")
    monkeypatch.setenv("SYNCLINE_LOG__LEVEL", "error")
    found = load(file, given={"log": {"level": "debug"}}, defaults={"write_deadline": 3.0, "store": "sqlite:///x"})
    assert found.store == "cql://db/app"
    assert found.kafka is not None
    assert (found.kafka.bootstrap_servers, found.kafka.events.partitions) == ("k2:9092", 6)
    assert found.log.level == "debug"
    assert found.write_deadline == 3.0


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_CONFIG", str(written(tmp_path, "collection: other\n")))
    assert load().collection == "other"


def test_servers_settings_reach_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_STORE", "cql://a,b:9043/app")
    monkeypatch.setenv("SYNCLINE_CQL__REPLICATION__FACTORS", '{"dc1": 3}')
    monkeypatch.setenv("SYNCLINE_CQL__USER", "app")
    monkeypatch.setenv("SYNCLINE_CQL__PASSWORD", "hidden")
    found = load().cql_settings
    assert found is not None
    assert (found.hosts, found.port, found.keyspace, found.replication.factors) == (("a", "b"), 9043, "app", {"dc1": 3})
    assert "hidden" not in repr(load())


def test_a_secret_can_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    monkeypatch.setenv("SYNCLINE_CQL__USER", "app")
    monkeypatch.setenv("SYNCLINE_CQL__PASSWORD_FILE", str(tmp_path / "secret"))
    password = load().cql.password
    assert password is not None
    assert password.get_secret_value() == "hidden"


def test_a_secret_s_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_INDEX_API_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match=r"SYNCLINE_INDEX_API_KEY_FILE: .*No such file"):
        load()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SYNCLINE_STORE", "postgres://x", r"SYNCLINE_STORE \(environment\): must be sqlite"),
        ("SYNCLINE_STORE", "cql://db:99999/app", r"SYNCLINE_STORE \(environment\): its port is wrong"),
        ("SYNCLINE_KAFKA__BOOTSTRAP_SERVERS", "kafka", r"SYNCLINE_KAFKA__BOOTSTRAP_SERVERS \(environment\): must be host:port"),
        ("SYNCLINE_CQL__USERR", "x", r"SYNCLINE_CQL__USERR \(environment\): there is no such setting"),
        ("SYNCLINE_KAFAK__CLIENT", "x", "there is no such setting; did you mean SYNCLINE_KAFKA__CLIENT"),
        ("SYNCLINE_HTTP__PORT", "many", r"SYNCLINE_HTTP__PORT \(environment\): "),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=said):
        load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kafka:\n  client: [1]\n", r"kafka\.client \(.*syncline\.yaml\): "),
        ("colection: x\n", r"colection \(.*syncline\.yaml\): there is no such setting"),
        ("a: b: c\n", r"syncline\.yaml, line 1: is no YAML"),
        ("- 1\n", "must hold settings by their names"),
        ("handling: {deadline: 1000}\nkafka: {}\n", "max_poll_interval must be longer"),
    ],
)
def test_a_wrong_file_is_named_with_the_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(written(tmp_path, text))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml: No such file"):
        load(tmp_path / "none.yaml")


def test_the_command_line_is_blamed_for_what_it_said() -> None:
    with pytest.raises(ConfigurationError, match=r"--store \(command line\): must be sqlite"):
        load(given={"store": "x"})


def test_an_error_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_INDEX", "http://user:hunter2@qdrant:6333")
    with pytest.raises(ConfigurationError) as told:
        load()
    assert "hunter2" not in str(told.value)
