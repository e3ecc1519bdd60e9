"""Lines as documents: the broken ones are named by number, the others are imported."""

import json
from pathlib import Path

import pytest

from syncline_store.document import Apart
from syncline_sync_worker.imports import Item, Problem, Reading, read
from syncline_sync_worker.imports.item import MAX_BYTES
from syncline_sync_worker.imports.jsonl import ENVELOPE_BYTES


def lines(path: Path, reading: Reading | None = None) -> tuple[list[Item], list[Problem]]:
    found = list(read([path], reading))
    return [f for f in found if isinstance(f, Item)], [f for f in found if isinstance(f, Problem)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"key": "a", "text": ', "not JSON"),
        (b"[1, 2]", "JSON list, not an object"),
        (b'{"text": "x"}', "no field 'key'"),
        (b'{"key": ""}', "'key' is \"\""),
        (b'{"key": true}', "'key' is true"),
        (b'{"key": "a", "n": NaN}', "NaN"),
        (b'{"key": "caf\xe9"}', "0xe9 at 12"),
        (b'{"key": "a", "text": "' + b"x" * (MAX_BYTES + ENVELOPE_BYTES) + b'"}', "longer than"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_a_broken_line_is_named_by_its_number(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "people.jsonl"
    path.write_bytes(b'{"key": "first"}\n\n' + line + b'\n{"key": 7, "text": "last"}')
    items, (problem,) = lines(path)
    assert [item.key for item in items] == ["first", "7"]
    assert problem.origin == f"{path}:3"
    assert message in problem.message


def test_the_namespace_is_the_files_name(tmp_path: Path) -> None:
    (tmp_path / "people.jsonl").write_text('{"key": "a"}\n')
    items, _ = lines(tmp_path / "people.jsonl")
    assert items[0].namespace == ("people",)
    below, _ = lines(tmp_path)
    assert below[0].namespace == (tmp_path.name, "people")


def test_other_fields_may_hold_the_key_and_the_text(tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text(json.dumps({"id": "a", "body": "words"}) + "\n" + json.dumps({"id": "b"}) + "\n")
    items, problems = lines(path, Reading(key_field="id", text_field="body"))
    assert [(item.key, item.index) for item in items] == [("a", ("body",))]
    assert problems[0].origin == f"{path}:2"
    assert "'body'" in problems[0].message


def test_values_are_kept_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    value = {"key": "ä", "deep": {"list": [1, None, "x"]}}
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(value, ensure_ascii=False).encode() + b"\r\n")
    items, problems = lines(path)
    assert (items[0].value, problems) == (value, [])


HEADER = '{"syncline_export":1,"tenant":"acme","prefix":[],"at":"2026-11-22T21:00:00+00:00"}\n'


def test_what_an_export_wrote_is_read_as_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    line = {"namespace": ["a", "b"], "key": "k", "value": {"key": 1}, "index": {"apart": ["t"]}, "expires_at": 17, "revision": 64}
    path.write_text(HEADER + json.dumps(line) + "\n")
    ((item,), problems) = lines(path, Reading(namespace=("elsewhere",)))
    assert not problems
    assert (item.namespace, item.key, item.value, item.index, item.expires_at) == (("a", "b"), "k", {"key": 1}, Apart(("t",)), 17)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"key": "k", "value": {}}', "namespace: must be a list"),
        ('{"namespace": ["a"], "key": 7, "value": {}}', "key: must be a str"),
        ('{"namespace": ["a"], "key": "k"}', "value: must be a dict"),
        ('{"namespace": ["a"], "key": "k", "value": {}, "index": true}', "index: must be"),
        ('{"namespace": ["a"], "key": "k", "value": {}, "expires_at": "tomorrow"}', "expires_at: must be"),
    ],
)
def test_a_line_of_an_export_that_somebody_edited(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text(HEADER + line + '\n{"namespace": ["a"], "key": "k", "value": {}}')
    (item,), (problem,) = lines(path)
    assert item.key == "k"
    assert problem.origin == f"{path}:2"
    assert message in problem.message


def test_an_export_of_a_later_version_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text(HEADER.replace(":1,", ":2,", 1) + '{"namespace": ["a"], "key": "k", "value": {}}')
    items, problems = lines(path)
    assert not items
    assert "this version reads 1" in problems[0].message


def test_only_the_first_line_says_what_the_others_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"key": "a"}\n{"key": "b", "syncline_export": 1}\n{"key": "c"}')
    items, problems = lines(path)
    assert ([item.key for item in items], problems) == (["a", "b", "c"], [])
