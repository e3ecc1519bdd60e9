"""Search, get, put, delete, status: by people and by programs."""

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import ANIMALS, Cli


@pytest.fixture(scope="module")
def reader(imported: Path) -> Cli:
    return Cli(imported)


def test_search_finds_by_meaning_and_shows_a_table(reader: Cli) -> None:
    ran = reader("search", "the largest creature of the ocean", "--namespace", "animals", "--limit", "1", "--data", "data")
    assert ran.code == 0
    assert "whale.md" in ran.out
    assert "largest animal" in ran.out
    assert ran.err == ""


def test_search_filters_by_field_and_by_json(reader: Cli) -> None:
    found = reader.ok("search", "numbers", "--filter", "team=t1", "--filter", '{"age": {"$lt": 10}}', "--limit", "50", "--data", "data")
    assert {hit["key"] for hit in found["hits"]} == {"p1", "p5", "p9"}
    assert all(hit["score"] is not None and hit["snippet"] for hit in found["hits"])


@pytest.mark.parametrize(("option", "value"), [("--filter", "team"), ("--filter", '{"age": {"$near": 1}}')])
def test_a_filter_that_makes_no_sense_is_a_clear_error(reader: Cli, option: str, value: str) -> None:
    ran = reader("search", "numbers", option, value, "--data", "data", "--json")
    assert ran.code == 2
    assert ran.json["error"]["kind"] == "InvalidFilter"


def test_other_tenants_see_nothing(reader: Cli) -> None:
    assert reader.ok("search", "whale", "--tenant", "other", "--data", "data")["hits"] == []


def test_get_shows_the_value_and_the_environment_names_the_folder(reader: Cli) -> None:
    ran = reader("get", "animals", "bee.md", "--json", env={"SYNCLINE_DATA": "data"})
    assert ran.code == 0
    assert ANIMALS["bee"] in ran.json["value"]["text"]
    assert "Honey bees" in reader("get", "animals", "bee.md", "--data", "data").out


def test_get_of_nothing_exits_1(reader: Cli) -> None:
    ran = reader("get", "animals", "unicorn", "--data", "data", "--json")
    assert ran.code == 1
    assert "unicorn" in ran.json["error"]["message"]


def test_status_counts_both_sides(reader: Cli) -> None:
    found = reader.ok("status", "--data", "data")
    assert (found["documents"], found["points"], found["backlog"], found["dead_letters"]) == (44, 44, 0, 0)
    assert found["oldest_unpublished"] is None
    assert "wordllama" in found["model"]


def test_put_and_delete_reach_the_index(cli: Cli) -> None:
    ran = cli("put", "notes/today", "n1", "-", "--data", "data", "--json", stdin='{"text": "The kettle is on the stove."}')
    assert ran.code == 0
    assert ran.json["indexed"] is True
    assert cli.ok("search", "boiling water", "--data", "data")["hits"][0]["key"] == "n1"
    deleted = cli.ok("delete", "notes/today", "n1", "--data", "data")
    assert deleted["revision"] > ran.json["revision"]
    assert cli.ok("search", "boiling water", "--data", "data")["hits"] == []
    refused = cli("put", "notes", "n1", '["a list"]', "--data", "data", "--json")
    assert refused.code == 2
    assert "object" in json.loads(refused.out)["error"]["message"]


def test_where_there_is_no_data_nothing_is_made(cli: Cli) -> None:
    ran = cli("search", "anything", "--data", "typo")
    assert ran.code == 2
    assert "typo" in ran.err
    assert "syncline import" in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not (cli.folder / "typo").exists()
