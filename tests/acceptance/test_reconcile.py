"""Reconcile: drift is found by kind, nothing is changed unless asked, and what was repaired stays in step."""

import numpy as np
from qdrant_client import QdrantClient, models

from syncline_contracts.identity import Ref, point_id
from syncline_store import open_store
from syncline_store.index.points import VECTOR, Field
from tests.acceptance.conftest import Cli, documented_keys

WHALE, OWL, BEE, STRANGER = (Ref("default", ("animals",), f"{name}.md") for name in ("whale", "owl", "bee", "stranger"))


def damage(cli: Cli) -> None:
    client = QdrantClient(path=str(cli.folder / "data" / "index"))
    client.delete("syncline", models.PointIdsList(points=[point_id(WHALE.document, 0)]))
    (owl,) = client.retrieve("syncline", [point_id(OWL.document, 0)], with_vectors=True)
    assert owl.payload is not None
    assert isinstance(owl.vector, dict)
    payload = {**owl.payload, Field.DOCUMENT: str(STRANGER.document), Field.KEY: STRANGER.key}
    client.upsert("syncline", [models.PointStruct(id=point_id(STRANGER.document, 0), vector=dict(owl.vector), payload=payload)])
    noise = np.random.default_rng(0).normal(size=len(np.asarray(owl.vector[VECTOR]))).tolist()
    client.update_vectors("syncline", [models.PointVectors(id=point_id(BEE.document, 0), vector={VECTOR: noise})])
    client.close()


def test_drift_is_found_repaired_when_asked_and_gone_then(copied: Cli) -> None:
    quick = ("--data", "data", "--settle", "0", "--delay", "0.1", "--sample", "1")
    # the marks pass the import: events that are delivered again would put back what was lost, before the check
    assert copied.ok("reconcile", "check", *quick)["verdict"] == "in_step"
    damage(copied)
    found = copied("reconcile", "check", *quick, "--json")
    assert found.code == 1
    assert set(found.json) == documented_keys("reconcile", "check")
    assert {frozenset(finding) for finding in found.json["findings"]} == {frozenset(documented_keys("findings"))}
    assert found.json["by_kind"] == {"missing": 1, "orphan": 1, "corrupt": 1}
    assert {finding["key"] for finding in found.json["findings"]} == {"whale.md", "stranger.md", "bee.md"}

    dry = copied("reconcile", "repair", *quick)
    assert dry.code == 1
    assert "--apply" in dry.out
    assert "whale.md" in dry.out

    unasked = copied("reconcile", "repair", *quick, "--apply")
    assert unasked.code == 2
    assert "--yes" in unasked.err

    repaired = copied.ok("reconcile", "repair", *quick, "--apply", "--yes")
    assert (repaired["repaired"], repaired["applied"]) == (3, True)
    again = copied.ok("reconcile", "check", *quick)
    assert (again["verdict"], again["findings"]) == ("in_step", [])


async def test_what_is_merely_unprocessed_is_no_drift(copied: Cli) -> None:
    folder = copied.folder / "data"
    async with open_store(f"sqlite:///{folder / 'documents.db'}", index=f"path:{folder / 'index'}", indexing="relay") as store:
        await store.tenant("default").put(("animals",), "new.md", {"text": "a new one"})
    assert copied.ok("status", "--data", "data")["backlog"] == 1
    found = copied.ok("reconcile", "check", "--data", "data", "--settle", "0")
    assert (found["documents"], found["points"], found["young"], found["findings"]) == (45, 45, 0, [])


def test_a_part_that_makes_no_sense_is_a_clear_error(copied: Cli) -> None:
    ran = copied("reconcile", "check", "--part", "9/8", "--data", "data")
    assert ran.code == 2
    assert "1 to 8" in ran.err


def test_a_plan_says_what_a_repair_would_do_and_reports_tell_what_became_of_it(copied: Cli) -> None:
    quick = ("--data", "data", "--settle", "0", "--delay", "0.1")
    copied.ok("reconcile", "check", *quick)
    damage(copied)
    planned = copied("reconcile", "plan", *quick, "--lines", "found.jsonl", "--rate", "10000/s", "--resume", "walk.json", "--json")
    assert planned.code == 1
    assert set(planned.json) == documented_keys("reconcile", "plan")
    assert {frozenset(finding) for finding in planned.json["repairs"]} == {frozenset(documented_keys("repairs"))}
    assert {finding["key"]: finding["kind"] for finding in planned.json["repairs"]} == {"whale.md": "missing", "stranger.md": "orphan"}
    assert all(finding["repair"] for finding in planned.json["repairs"])
    assert len((copied.folder / "found.jsonl").read_text().splitlines()) == 2
    assert not (copied.folder / "walk.json").exists()
    assert copied("reconcile", "plan", *quick, "--namespace", "people").code == 0

    listed = copied.ok("reconcile", "report", "list", "--data", "data")
    assert [report["verdict"] for report in listed["reports"]] == ["in_step", "drift", "in_step"]
    assert copied("reconcile", "repair", *quick, "--apply", "--yes").code == 0
    copied.ok("reconcile", "check", *quick)
    compared = copied.ok("reconcile", "report", "compare", "latest", "--data", "data")
    assert {frozenset(finding) for finding in compared["resolved"]} == {frozenset(documented_keys("resolved"))}
    kept = documented_keys("reconcile", "report", "show") - {"findings"}
    for report in (*listed["reports"], compared["newer"], compared["older"]):
        assert (set(report), set(report["scope"])) == (kept, documented_keys("scope"))
    assert {finding["key"] for finding in compared["resolved"]} == {"whale.md", "stranger.md"}
    shown = copied.ok("reconcile", "report", "show", compared["older"]["id"][:8], "--data", "data")
    assert (shown["found"], shown["verdict"]) == (2, "drift")
    actions = [record["action"] for record in copied.ok("audit", "list", "--data", "data")["records"]]
    assert "reconcile repair" in actions
    assert "reconcile findings" not in actions
    told = " ".join(copied("audit", "list", "--data", "data", env={"COLUMNS": "300"}).out.split())
    assert f"syncline reconcile report show {compared['older']['id'][:12]}" in told, "the report itself is no line of a list"


def test_another_stores_index_is_refused_until_it_is_adopted(copied: Cli) -> None:
    folder = copied.folder / "data"
    (folder / "documents.db").rename(folder / "moved.db")
    copied.ok(
        "put",
        "animals",
        "new.md",
        '{"text": "a new one"}',
        "--store",
        f"sqlite:///{copied.folder}/new.db",
        "--index",
        f"path:{copied.folder}/own",
    )
    other = ("--store", f"sqlite:///{copied.folder}/new.db", "--index", f"path:{folder}/index")
    refused = copied("reconcile", "check", *other, "--json")
    assert refused.code == 2
    assert "reconcile adopt" in refused.json["refused"]
    assert copied("reconcile", "adopt", *other).code == 2, "nobody can be asked"
    copied.ok("reconcile", "adopt", *other, "--yes")
    assert copied("reconcile", "check", *other, "--settle", "0", "--delay", "0").code == 1


def test_a_watch_of_a_local_index_is_refused(copied: Cli) -> None:
    ran = copied("reconcile", "watch", "--data", "data")
    assert ran.code == 2
    assert "reconcile check" in ran.err


def test_what_does_not_say_whose_it_is_is_told_of_wherever_drift_is_and_left_by_a_repair(copied: Cli) -> None:
    quick = ("--data", "data", "--settle", "0", "--delay", "0.1")
    copied.ok("reconcile", "check", *quick)
    client = QdrantClient(path=str(copied.folder / "data" / "index"))
    client.delete("syncline", models.PointIdsList(points=[point_id(WHALE.document, 0)]))
    (owl,) = client.retrieve("syncline", [point_id(OWL.document, 0)], with_vectors=True)
    assert isinstance(owl.vector, dict)
    payload = {**(owl.payload or {}), Field.DOCUMENT: str(STRANGER.document), Field.TENANT: None}
    client.upsert("syncline", [models.PointStruct(id=point_id(STRANGER.document, 0), vector=dict(owl.vector), payload=payload)])
    client.close()
    said = [copied("reconcile", command, *quick) for command in ("check", "plan", "repair")]
    said.append(copied("reconcile", "report", "show", "--data", "data"))
    assert ["no repair reaches them" in " ".join(ran.out.split()) for ran in said] == [True] * 4
    assert [("reconcile plan" in ran.out, "repair --apply" in ran.out) for ran in said[:3]] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    repaired = copied("reconcile", "repair", *quick, "--apply", "--yes", "--json")
    assert repaired.json["unnamed"] >= 1
    assert set(repaired.json) == documented_keys("reconcile", "repair")
    assert repaired.code == 1, "drift is left"
