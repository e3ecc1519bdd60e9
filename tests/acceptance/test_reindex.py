"""Reindex: from one model to another and back on the command line, with writes in between; killed half-way; what is refused."""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Cli, Ran

DATA = ("--data", "data")
OLD, NEW = "wordllama:256", "wordllama:64"
OLD_ID, NEW_ID = "wordllama/l2_supercat-256", "wordllama/l2_supercat-64"
BEFORE = (*DATA, "--set", f"next.embedder={NEW}")
"""Both are written, the old one is searched."""
AFTER = (*DATA, "--set", f"embedder={NEW}", "--set", f"next.embedder={OLD}")
"""Both are written, the new one is searched."""
DONE = (*DATA, "--set", f"embedder={NEW}")
QUICK = ("--set", "reconcile.settle=0", "--set", "reconcile.delay=0.1")


def built(cli: Cli, *settings: str) -> dict[str, dict[str, Any]]:
    """What there is, by model."""
    return {each["model"]: each for each in cli.ok("reindex", "status", *settings)["collections"]}


def in_step(cli: Cli, *args: str) -> None:
    found = cli.ok("reconcile", "check", "--settle", "0", "--delay", "0.1", "--sample", "1", *args)
    assert (found["verdict"], found["young"]) == ("in_step", 0)


def put(cli: Cli, key: str, text: str, *settings: str) -> None:
    assert cli.ok("put", "animals", key, json.dumps({"text": text}), *settings)["indexed"]


def found(cli: Cli, query: str, *settings: str) -> str:
    key: str = cli.ok("search", query, "--limit", "1", *settings)["hits"][0]["key"]
    return key


def refused(ran: Ran, words: str) -> None:
    assert ran.code == 2
    assert words in ran.err


@pytest.fixture
def indexed(copied: Cli) -> Cli:
    """The marks passed the import: its events are not delivered again, or they would fill the next model's collection, too."""
    in_step(copied, *DATA)
    return copied


def test_a_model_is_migrated_rolled_back_migrated_again_and_the_old_one_dropped(indexed: Cli) -> None:
    filled = indexed.ok("reindex", "build", "--model", NEW, *DATA)
    assert (filled["model"], filled["complete"], filled["indexed"], filled["dead_letters"]) == (NEW_ID, True, 44, 0)
    assert indexed.ok("reindex", "build", *BEFORE)["indexed"] == 0
    put(indexed, "fox", "The quick brown fox.", *BEFORE)
    assert (indexed.ok("delete", "animals", "owl.md", *BEFORE))["indexed"]
    in_step(indexed, *BEFORE)
    in_step(indexed, "--model", NEW, *BEFORE)

    switched = indexed.ok("reindex", "switch", *BEFORE, *QUICK)
    assert (switched["switched"], switched["refused"], switched["report"]["verdict"]) == (True, None, "in_step")
    assert indexed.ok("reindex", "switch", *BEFORE, *QUICK)["switched"] is False
    assert found(indexed, "quick fox", *BEFORE) == found(indexed, "quick fox", *AFTER) == "fox", "each searches its own model's collection"
    put(indexed, "yak", "A yak has long hair.", *AFTER)
    refused(indexed("reindex", "switch", *AFTER, *QUICK), "rollback")

    rolled = indexed.ok("reindex", "rollback", *AFTER, *QUICK)
    assert (rolled["switched"], built(indexed, *AFTER)[OLD_ID]["serves"]) == (True, True)
    assert found(indexed, "long hair", *BEFORE) == "yak", "what was written after the switch is there after the rollback"

    assert indexed.ok("reindex", "switch", *BEFORE, *QUICK)["switched"]
    refused(indexed("reindex", "drop", OLD_ID, "--yes", *AFTER), "next.embedder names")
    refused(indexed("reindex", "drop", NEW_ID, "--yes", *DONE), "the alias points to")
    refused(indexed("reindex", "drop", OLD_ID, *DONE), "--yes")
    assert indexed.ok("reindex", "drop", OLD_ID, "--yes", *DONE)["points"] == 46  # a tombstone among them
    assert set(built(indexed, *DONE)) == {NEW_ID}
    in_step(indexed, *DONE)
    refused(indexed("search", "fox", *DATA), "was built with")
    assert found(indexed, "quick fox", *DONE) == "fox"


def test_a_collection_that_lacks_something_is_not_switched_to(indexed: Cli) -> None:
    indexed.ok("reindex", "build", *BEFORE)
    put(indexed, "fox", "The quick brown fox.", *DATA)  # by a process that was not told of the next model
    in_step(indexed, *DATA)
    ran = indexed("reindex", "switch", *BEFORE, *QUICK, "--json")
    assert (ran.code, ran.json["switched"], ran.json["report"]["by_kind"]) == (2, False, {"missing": 1})
    assert built(indexed, *BEFORE)[OLD_ID]["serves"]
    drift = indexed("reconcile", "check", "--model", NEW, "--settle", "0", "--delay", "0.1", *BEFORE, "--json")
    assert (drift.code, drift.json["by_kind"]) == (1, {"missing": 1})
    indexed.ok("reconcile", "repair", "--model", NEW, "--apply", "--yes", "--settle", "0", "--delay", "0.1", *BEFORE)
    assert indexed.ok("reindex", "switch", *BEFORE, *QUICK)["switched"]


def test_who_was_not_told_of_the_switch_searches_on_and_refuses_to_write(indexed: Cli) -> None:
    indexed.ok("reindex", "build", *BEFORE)
    indexed.ok("reindex", "switch", *BEFORE, *QUICK)
    assert found(indexed, "largest animal in the sea", *DATA) == "whale.md"
    refused(indexed("put", "animals", "fox", '{"text": "a fox"}', *DATA), "next")
    assert indexed.ok("reconcile", "check", "--settle", "0", *AFTER)["verdict"] == "in_step", "it is taken up by who was told"
    assert found(indexed, "a fox", *AFTER) == "fox"


def test_what_makes_no_sense_is_refused_with_the_remedy(indexed: Cli) -> None:
    refused(indexed("reindex", "build", *DATA), "next.embedder")
    refused(indexed("reindex", "switch", *DATA), "--model")
    refused(indexed("reindex", "rollback", *DATA), "nothing was switched")
    refused(indexed("reindex", "build", "--model", OLD, *DATA), "in use")
    refused(indexed("reindex", "build", "--model", NEW, "--part", "9/8", *DATA), "1 to 8")
    refused(indexed("reindex", "drop", "no-such-model", "--yes", *DATA), OLD_ID)
    refused(indexed("reconcile", "check", "--model", NEW, *DATA), "next")


@pytest.mark.timeout(120)
def test_killed_half_way_a_build_goes_on_and_writes_meanwhile_reach_both(indexed: Cli) -> None:
    running = indexed.start("reindex", "build", "--rate", "8/s", *BEFORE)
    try:
        wait_for_points(indexed.folder / "data" / "index", 6)
        put_while_held(indexed, "fox", "The quick brown fox.")
    finally:
        running.kill()
        running.communicate()
    halfway = built(indexed, *BEFORE)[NEW_ID]["points"]
    assert 6 <= halfway < 44
    again = indexed.ok("reindex", "build", *BEFORE)
    assert again["complete"]
    assert again["indexed"] <= 44 - halfway + 8
    in_step(indexed, "--model", NEW, *BEFORE)
    assert indexed.ok("reindex", "switch", *BEFORE, *QUICK)["switched"]
    assert found(indexed, "quick fox", *AFTER) == "fox"


def put_while_held(cli: Cli, key: str, text: str) -> None:
    """The build holds the folder: the put is stored, and its event pending."""
    assert cli.ok("put", "animals", key, json.dumps({"text": text}), *BEFORE)["indexed"] is False


def wait_for_points(index: Path, count: int) -> None:
    """In the next model's collection, as its file says."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for file in index.glob("collection/*64-64/storage.sqlite"):
            try:
                with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
                    if database.execute("SELECT count(*) FROM points").fetchone()[0] >= count:
                        return
            except sqlite3.OperationalError:  # being made
                pass
        time.sleep(0.05)
    raise TimeoutError(f"there are no {count} points in {index}")
