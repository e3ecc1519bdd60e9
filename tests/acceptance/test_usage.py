"""How much a tenant holds, as an operator is told."""

from tests.acceptance.conftest import Cli


def test_what_is_held_and_of_how_much(copied: Cli) -> None:
    copied.ok("export", "--output", "all.jsonl", "--data", "data")
    documents = len((copied.folder / "all.jsonl").read_text().splitlines()) - 1
    held = copied.ok("usage", "--data", "data", "--set", f"quotas.documents={2 * documents}")
    assert (held["tenant"], held["documents"], held["quotas"]) == ("default", documents, {"documents": 2 * documents, "bytes": None})
    assert held["bytes"] > documents
    assert copied.ok("usage", "--data", "data", "--tenant", "other")["documents"] == 0
    shown = copied("usage", "--data", "data", "--set", f"quotas.documents={2 * documents}").out
    assert "50%" in shown


def test_a_put_beyond_the_quota_is_refused_with_the_remedy(copied: Cli) -> None:
    ran = copied("put", "notes", "n1", '{"text": "one more"}', "--data", "data", "--set", "quotas.documents=1", "--json")
    assert ran.code == 2
    assert ran.json["error"]["kind"] == "QuotaExceeded"
    assert "quotas.documents" in ran.json["error"]["message"]
    assert copied("get", "notes", "n1", "--data", "data").code == 1
