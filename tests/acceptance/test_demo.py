"""The demo: what it says it does, it does; and what it leaves can be searched."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import Cli, Ran, documented_keys

KINDS = {"missing", "stale", "orphan", "corrupt", "passage_gap", "wrong_model"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cli, Ran]:
    cli = Cli(tmp_path_factory.mktemp("demo"))
    return cli, cli.fresh("demo", "--data", "data", "--json")


def test_it_finds_what_it_broke_and_leaves_nothing(shown: tuple[Cli, Ran]) -> None:
    _, ran = shown
    assert ran.code == 0, ran.err
    found = ran.json
    assert set(found) == documented_keys("demo")
    assert found["documents"] == found["indexed"] > 500
    assert found["points"] >= found["indexed"]
    assert found["drift_injected"] == found["drift_found"] >= 25
    assert found["drift_left"] == 0
    assert found["exact"] is True
    assert found["passed"] is True
    assert found["seconds"] < 60
    kinds = found["drift_by_kind"]
    assert all(kinds[kind]["injected"] == kinds[kind]["found"] >= 5 and kinds[kind]["left"] == 0 for kind in KINDS)
    assert all(set(counts.values()) == {0} for kind, counts in kinds.items() if kind not in KINDS)


def test_it_answers_its_questions(shown: tuple[Cli, Ran]) -> None:
    _, ran = shown
    searches = ran.json["searches"]
    assert len(searches) >= 3
    assert all(search["key"] and search["score"] > 0.3 and search["expected"] for search in searches)


def test_what_it_leaves_can_be_searched_and_is_in_step(shown: tuple[Cli, Ran]) -> None:
    cli, _ = shown
    (hit,) = cli.ok("search", "anonymous functions, lambda", "--limit", "1", "--data", "data")["hits"]
    assert (hit["namespace"], hit["key"]) == (["python", "topics"], "lambda")
    assert cli.ok("reconcile", "check", "--data", "data")["verdict"] == "in_step"


def test_it_begins_anew_only_where_nobody_else_wrote(shown: tuple[Cli, Ran]) -> None:
    cli, _ = shown
    cli.ok("put", "mine", "k", '{"text": "mine"}', "--data", "data")
    ran = cli("demo", "--data", "data", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (2, "ConfigurationError")
    assert Path(cli.folder, "data", "documents.db").exists()
