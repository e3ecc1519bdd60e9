"""How a command ends: each kind of error has its exit code, its line, and with --json its object."""

import asyncio
import errno
import json
from pathlib import Path

import pytest

from syncline_contracts.errors import InvalidFilter, InvalidInput, StorageUnavailable
from syncline_sync_worker.cli.filters import parse_filters
from syncline_sync_worker.cli.output import Output
from syncline_sync_worker.cli.place import Place, parse_namespace, show_namespace
from syncline_sync_worker.cli.running import Session, run


def ended(error: BaseException, capsys: pytest.CaptureFixture[str], *, as_json: bool = False) -> tuple[int, str, str]:
    async def body(session: Session) -> int:
        raise error

    code = run(Session(Place(Path("data")), Output(as_json=as_json)), body, drains=False)
    out, err = capsys.readouterr()
    return code, out, err


def test_an_error_of_the_tree_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ended(StorageUnavailable("the disk is full [really]: free space"), capsys)
    assert (code, out, err) == (2, "", "error: the disk is full [really]: free space\n")


def test_with_json_it_is_an_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ended(InvalidInput("key", "is empty"), capsys, as_json=True)
    assert (code, json.loads(out)) == (2, {"error": {"kind": "InvalidInput", "message": "key: is empty"}})


def test_of_errors_side_by_side_the_first_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = ended(ExceptionGroup("both", [ExceptionGroup("in", [StorageUnavailable("first")]), ValueError("second")]), capsys)
    assert (code, err) == (2, "error: first\n")


def test_a_full_disk_is_no_fault_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = ended(OSError(errno.ENOSPC, "No space left on device"), capsys)
    assert code == 2
    assert "No space left" in err
    assert "Traceback" not in err


def test_a_fault_of_ours_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ended(ZeroDivisionError("division by zero"), capsys)
    assert (code, out) == (70, "")
    assert "please report it: ZeroDivisionError" in err
    assert "test_errors.py" in err


def test_what_was_cut_short_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ended(asyncio.CancelledError(), capsys)
    assert (code, out) == (130, "")
    assert "nothing is lost" in err


@pytest.mark.parametrize("namespace", [("a",), ("users", "u1"), ("a/b", "c"), ("[x",), ('"',)])
def test_a_namespace_is_read_as_it_is_shown(namespace: tuple[str, ...]) -> None:
    assert parse_namespace(show_namespace(namespace)) == namespace


def test_a_namespace_that_is_none_is_refused() -> None:
    assert parse_namespace("") == ()
    with pytest.raises(InvalidInput, match="no JSON list"):
        parse_namespace('["a", 1]')


def test_filters_are_read_as_fields_or_json() -> None:
    assert parse_filters([]) is None
    assert parse_filters(["kind=note", "n=3", 'text="3"', "open=true"]) == {"kind": "note", "n": 3, "text": "3", "open": True}
    assert parse_filters(['{"n": {"$gt": 1}}', "a.b=x=y"]) == {"n": {"$gt": 1}, "a.b": "x=y"}


@pytest.mark.parametrize("texts", [["kind"], ["=x"], ["{broken"], ["a=1", "a=2"]])
def test_a_filter_that_is_none_is_refused(texts: list[str]) -> None:
    with pytest.raises(InvalidFilter):
        parse_filters(texts)


def test_what_is_said_of_the_folder_can_be_typed() -> None:
    assert Place().option == ""
    assert Place(Path("my data"), index="http://h:6333").option == " --data 'my data' --index http://h:6333"
    assert (
        Place(config=Path("s.yaml"), changes=("cql.local_dc=dc1", "cql.password=hush")).option == " --config s.yaml --set cql.local_dc=dc1"
    )
