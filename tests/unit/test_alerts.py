"""When somebody is told of drift, how grave it is, and what arrives."""

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from syncline_contracts.drift import DriftKind, DriftReport, Finding
from syncline_contracts.errors import ConfigurationError
from syncline_contracts.revision import NEVER
from syncline_sync_worker.alerts import Alarm, AlertSettings, Severity
from syncline_sync_worker.alerts.sending import Sender
from syncline_sync_worker.alerts.settings import KindSettings

SECOND = 1_000_000
MISSING, STALE, ORPHAN = DriftKind.MISSING, DriftKind.STALE, DriftKind.ORPHAN


def report(*kinds: DriftKind, refused: str | None = None) -> DriftReport:
    findings = tuple(
        Finding(
            kind=kind,
            document=uuid.UUID(int=number),
            tenant="acme",
            namespace=("notes",),
            key=f"n{number}",
            segment=0,
            source_revision=1,
            index_revision=None,
            expires_at=NEVER,
            detail="the index has no head of it",
            since=1,
        )
        for number, kind in enumerate(kinds)
    )
    return DriftReport(started_at=0, seconds=0.0, documents=1_000, points=1_000, findings=findings, refused=refused)


def told(alarm: Alarm, what: DriftReport, at: int) -> Severity | None:
    alert = alarm.judge(what, at * SECOND)
    if alert is not None:
        alarm.told(alert, at * SECOND)
    return None if alert is None else alert.severity


def test_the_same_drift_is_told_once_until_the_cool_down_is_over_and_its_end_once() -> None:
    alarm = Alarm(AlertSettings(cool_down=60))
    said = [told(alarm, report(MISSING), at) for at in (0, 30, 59, 60, 90)]
    assert said == [Severity.WARNING, None, None, Severity.WARNING, None]
    assert [told(alarm, report(), at) for at in (91, 92)] == [Severity.RESOLVED, None]
    assert told(alarm, report(MISSING), 93) is Severity.WARNING, "it is back"


def test_what_is_new_or_graver_is_told_at_once() -> None:
    alarm = Alarm(AlertSettings(critical_from=3))
    assert told(alarm, report(MISSING), 0) is Severity.WARNING
    assert told(alarm, report(MISSING, STALE), 1) is Severity.WARNING
    assert told(alarm, report(STALE), 2) is None, "less than before"
    assert told(alarm, report(MISSING, STALE, STALE), 3) is Severity.CRITICAL
    assert told(alarm, report(MISSING, STALE), 4) is None, "as grave as it was, or less"


def test_every_kind_has_a_severity_and_one_document_of_a_critical_kind_is_critical() -> None:
    settings = AlertSettings()
    critical = [kind for kind in DriftKind if told(Alarm(settings), report(kind), 0) is Severity.CRITICAL]
    assert critical == [ORPHAN, DriftKind.PAYLOAD], "what should not be there, or is there under another's name"
    assert told(Alarm(AlertSettings(severity=KindSettings(missing="critical", orphan="warning"))), report(MISSING), 0) is Severity.CRITICAL
    assert told(Alarm(AlertSettings(severity=KindSettings(orphan="warning"))), report(ORPHAN), 0) is Severity.WARNING
    assert told(Alarm(settings), report(*[MISSING] * 9, ORPHAN), 0) is Severity.CRITICAL, "the gravest counts"


def test_a_graver_kind_is_told_at_once_and_what_was_told_is_not_told_again_with_it() -> None:
    alarm = Alarm(AlertSettings(cool_down=60))
    assert told(alarm, report(MISSING), 0) is Severity.WARNING
    assert told(alarm, report(MISSING, ORPHAN), 10) is Severity.CRITICAL
    assert told(alarm, report(ORPHAN), 20) is None
    assert told(alarm, report(MISSING), 69) is None, "told with the orphan, ten seconds in"
    assert told(alarm, report(MISSING), 70) is Severity.WARNING
    assert told(alarm, report(), 71) is Severity.RESOLVED


def test_what_comes_and_goes_is_told_once_in_a_cool_down() -> None:
    """A side that answers now and then would otherwise send a message with each walk."""
    alarm = Alarm(AlertSettings(cool_down=60))
    away = report(refused="qdrant does not answer")
    assert [told(alarm, what, at) for at, what in enumerate([report(MISSING), away, report(MISSING), away, report(STALE), report(MISSING)])] == [
        Severity.WARNING, Severity.WARNING, None, None, Severity.WARNING, None,
    ]  # fmt: skip
    assert told(alarm, report(MISSING), 60) is Severity.WARNING
    assert told(alarm, report(STALE), 61) is None, "each kind has its own cool-down"
    assert told(alarm, report(STALE), 64) is Severity.WARNING


def test_what_nobody_is_to_be_told_of_does_not_ride_on_what_was_told() -> None:
    alarm = Alarm(AlertSettings(least="critical"))
    assert told(alarm, report(ORPHAN), 0) is Severity.CRITICAL
    assert told(alarm, report(ORPHAN, MISSING), 1) is None, "missing alone would be told to nobody"
    assert told(alarm, report(), 2) is Severity.RESOLVED


def test_points_that_say_no_name_are_a_thing_of_their_own() -> None:
    alarm = Alarm(AlertSettings())
    assert told(alarm, report(MISSING), 0) is Severity.WARNING
    assert told(alarm, report(MISSING).model_copy(update={"unnamed": 1}), 1) is Severity.WARNING
    assert told(alarm, report().model_copy(update={"unnamed": 1}), 2) is None
    assert told(alarm, report(), 3) is Severity.RESOLVED


def test_a_walk_that_could_not_tell_resolves_nothing() -> None:
    alarm = Alarm(AlertSettings())
    assert told(alarm, report(MISSING), 0) is Severity.WARNING
    assert told(alarm, report(refused="qdrant does not answer"), 1) is Severity.WARNING
    assert told(alarm, report(refused="qdrant does not answer"), 2) is None
    assert told(alarm, report(), 3) is Severity.RESOLVED


def test_what_is_less_grave_than_asked_for_is_told_to_nobody() -> None:
    alarm = Alarm(AlertSettings(least="critical", critical_from=2))
    assert told(alarm, report(MISSING), 0) is None
    assert told(alarm, report(), 1) is None, "nobody knew"
    assert told(alarm, report(MISSING, MISSING), 2) is Severity.CRITICAL


def test_what_could_not_be_sent_is_said_again() -> None:
    alarm = Alarm(AlertSettings())
    assert alarm.judge(report(MISSING), 0) is not None
    assert alarm.judge(report(MISSING), SECOND) is not None


def test_a_message_says_how_much_and_names_documents_by_their_ids() -> None:
    """Keys and namespaces may say more of a user than a chat channel should know."""
    alert = Alarm(AlertSettings()).judge(report(*[MISSING] * 12, ORPHAN), 0)
    assert alert is not None
    assert alert.title == "Syncline: 13 documents drifted"
    assert alert.body.splitlines()[0] == "12 missing, 1 orphan of 1,000 documents compared."
    assert "and 3 more" in alert.body
    assert alert.body.splitlines()[1].startswith(f"- orphan: {uuid.UUID(int=12)}"), "the gravest first"
    assert str(uuid.UUID(int=1)) in alert.body
    assert "n1" not in alert.body


def test_a_message_says_what_the_findings_do_not() -> None:
    """What was not looked at again, what no event can name, what was repaired, and why nothing more was."""
    more = {"unlisted": 20, "unnamed": 3, "repaired": 1, "refused": "more than the cap"}
    alert = Alarm(AlertSettings()).judge(report(MISSING).model_copy(update=more), 0)
    assert alert is not None
    assert alert.title == "Syncline: 24 documents drifted"
    assert alert.body.splitlines()[0] == "1 missing, 20 not looked at again, 3 unnamed of 1,000 documents compared."
    assert alert.body.splitlines()[-2:] == ["1 repairs were written.", "No repair: more than the cap"]


# ------------------------------------------------------------------ sending


@pytest.fixture
def webhook() -> "Iterator[tuple[str, list[dict[str, Any]]]]":
    """An address that takes JSON, and what it was sent. Without a path, it takes nothing."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            taken = self.path != "/"
            if taken:
                got.append(body)
            self.send_response(200 if taken else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}", got
    server.shutdown()
    thread.join()
    server.server_close()


async def test_an_alert_arrives_at_each_address(webhook: tuple[str, list[dict[str, Any]]]) -> None:
    url, got = webhook
    alert = Alarm(AlertSettings()).judge(report(MISSING), 0)
    assert alert is not None
    assert await Sender(AlertSettings(urls=SecretStr(f"{url}/one\n{url}/two"))).send(alert)
    assert [(each["title"], each["type"]) for each in got] == [("Syncline: 1 document drifted", "warning")] * 2
    assert got[0]["message"].startswith("1 missing of 1,000")


async def test_an_address_that_takes_nothing_is_no_error_but_not_told(webhook: tuple[str, list[dict[str, Any]]]) -> None:
    url, _ = webhook
    alert = Alarm(AlertSettings()).judge(report(MISSING), 0)
    assert alert is not None
    assert not await Sender(AlertSettings(urls=SecretStr(url))).send(alert)
    assert await Sender(AlertSettings()).send(alert), "nobody is to be told"


def test_a_url_of_no_service_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match=r"2\. URL \(nosuch\)") as refused:
        Sender(AlertSettings(urls=SecretStr("json://127.0.0.1:1/ok nosuch://token-that-is-secret")))
    assert "token-that-is-secret" not in str(refused.value)
