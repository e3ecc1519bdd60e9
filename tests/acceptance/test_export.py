"""Export: what comes out goes in again as it was, and nothing half-written takes a name."""

import json

from tests.acceptance.conftest import Cli


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_documents_come_back_identical(copied: Cli) -> None:
    exported = copied.ok("export", "--output", "all.jsonl", "--data", "data")
    header, *documents = lines((copied.folder / "all.jsonl").read_text())
    assert (header["syncline_export"], header["tenant"], exported["documents"]) == (1, "default", len(documents))
    assert {document["namespace"][0] for document in documents} == {"animals", "people"}  # type: ignore[index] # a list

    back = copied.ok("import", "all.jsonl", "--data", "other")
    assert (back["written"], back["failed"]) == (len(documents), 0)
    again = copied("export", "--data", "other")
    plain = [{name: value for name, value in each.items() if name != "revision"} for each in documents]
    assert [{name: value for name, value in each.items() if name != "revision"} for each in lines(again.out)[1:]] == plain
    resumed = copied.ok("import", "all.jsonl", "--data", "other")
    assert (resumed["written"], resumed["unchanged"]) == (0, len(documents))
    assert copied("reconcile", "check", "--data", "other").code == 0


def test_only_what_is_below(copied: Cli) -> None:
    _, *documents = lines(copied("export", "people", "--data", "data").out)
    assert {tuple(document["namespace"]) for document in documents} == {("people",)}  # type: ignore[arg-type] # a list


def test_a_summary_and_the_documents_do_not_share_stdout(copied: Cli) -> None:
    ran = copied("export", "--json", "--data", "data")
    assert ran.code == 2
    assert "--output" in ran.json["error"]["message"]


def test_a_folder_that_is_not_there_is_named(copied: Cli) -> None:
    ran = copied("export", "--output", "nowhere/all.jsonl", "--data", "data")
    assert ran.code == 2
    assert "nowhere" in ran.err
