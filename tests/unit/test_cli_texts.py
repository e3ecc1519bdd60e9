"""What people write as times and rates, and what of others' text reaches a terminal."""

import io
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker import auditing
from syncline_sync_worker.cli.output import Output
from syncline_sync_worker.cli.safe import safe, safe_json
from syncline_sync_worker.cli.times import parse_duration, parse_rate, parse_time, show_age, show_time
from tests.parts.clock import SECOND, START

SAMPLES = {"90s": 90, "30m": 1_800, "2h": 7_200, "1.5d": 129_600, "4w": 2_419_200, " 2 h ": 7_200}


@pytest.mark.parametrize(("text", "seconds"), SAMPLES.items())
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration("--older-than", text) == seconds * SECOND
    assert parse_time("--since", text, START) == START - seconds * SECOND


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01", 1_772_323_200),
        ("2026-03-01T12:00", 1_772_366_400),
        ("2026-03-01 12:00:00Z", 1_772_366_400),
        ("2026-03-01T14:00+02:00", 1_772_366_400),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, at: int) -> None:
    assert parse_time("--since", text, START) == at * SECOND


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2h ago", "yesterday", "2026-13-01", "1e5s", "nan"])
def test_what_is_neither_is_refused_by_its_option(text: str) -> None:
    for refuses in (lambda: parse_time("--since", text, START), lambda: parse_duration("--since", text)):
        with pytest.raises(InvalidInput, match="--since"):
            refuses()


def test_rates() -> None:
    assert [parse_rate("--rate", text) for text in ("50", "50/s", "30/m", "0.5")] == [50, 50, 0.5, 0.5]
    for text in ("0", "-1", "fast", "5/h", "inf", ""):
        with pytest.raises(InvalidInput, match="--rate"):
            parse_rate("--rate", text)


def test_what_is_shown_of_times() -> None:
    assert show_time(START) == "2025-06-15 15:06:40 UTC"
    ages = {0: "0 s", -5: "0 s", 119: "119 s", 120: "2 min", 7_199: "119 min", 7_200: "2 h", 172_799: "47 h", 172_800: "2 d"}
    assert [show_age(seconds * SECOND) for seconds in ages] == list(ages.values())


@given(st.text() | st.binary().map(lambda some: some.decode(errors="backslashreplace")))
def test_nothing_that_does_not_print_reaches_a_terminal(text: str) -> None:
    shown = Text.from_markup(safe(text)).plain
    assert shown.isprintable()
    if text.isprintable():
        assert shown.rstrip("\\") == text.rstrip("\\")  # rich doubles one at the end, so that it escapes nothing
    said = safe_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert said.isprintable()
    assert json.loads(said) == {text: [text]}


def test_escapes_are_written_out() -> None:
    assert safe("\x1b[2J\x9b\u202e\ud800\n") == "\\x1b[2J\\x9b\\u202e\\ud800\\n"


def test_a_user_without_a_name_is_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OSError("no such user")

    monkeypatch.setattr(auditing.getpass, "getuser", nobody)
    assert auditing.whoami() == f"somebody@{socket.gethostname()}"


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), ("Yes ", True), ("n", False), ("", False), (None, False)])
def test_who_says_no_is_told_that_nothing_was_changed(answer: str | None, monkeypatch: pytest.MonkeyPatch, *, agreed: bool) -> None:
    output = Output(as_json=False)
    printed = io.StringIO()
    output.err = Console(file=printed)

    def said(_question: str) -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr(output.err, "input", said)
    assert output.ask("Repair 1 document?") is agreed
    assert ("nothing was changed" in printed.getvalue()) is not agreed
