"""Dead letters: one poison document is set aside, and comes back once it is mended."""

import asyncio
import base64
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import time
from collections.abc import Sequence

from syncline_contracts import codec
from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store import open_store
from syncline_store.engines.protocol import Pos
from syncline_store.engines.sqlite import SqliteEngine, open_sqlite
from tests.acceptance.conftest import ENVIRONMENT, SYNCLINE, Cli
from tests.parts.clock import SECOND

DATA = ("--data", "data")
HOUR = 3600 * SECOND
JUNK = b"\x1b[2J\xc2\x9b31mred \xe2\x80\xaetxt\x07\xff[/]"
"""Clears a screen, colours it, turns the line around, rings, is no UTF-8, and breaks markup."""


async def poison(cli: Cli) -> None:
    """A row whose index_spec somebody broke by hand: its batch-mates are indexed, it cannot be."""
    folder = cli.folder / "data"
    async with open_store(f"sqlite:///{folder / 'documents.db'}", index=f"path:{folder / 'index'}", indexing="relay") as store:
        await store.tenant("default").put_many([(("notes",), key, {"text": f"about {key}"}) for key in ("good", "poison", "fine")])
    _spec(cli, "no list of paths")


def _spec(cli: Cli, spec: str) -> None:
    with sqlite3.connect(cli.folder / "data" / "documents.db") as database:
        changed = database.execute("UPDATE documents SET index_spec = ? WHERE key = 'poison'", [spec]).rowcount
    database.close()
    assert changed == 1


async def bury(cli: Cli, letters: Sequence[DeadLetter]) -> None:
    async with await open_sqlite(str(cli.folder / "data" / "documents.db"), clock=Clock()) as engine:
        await engine.dead_letters.add(letters)


def junk(age: int = 0, **changes: object) -> DeadLetter:
    """Bytes that were no event, so many µs ago."""
    at = Clock().now() - age
    given = {"document": None, "payload": JUNK, "headers": {"h": "\x1b[1m"}, "source": "kafka/events/0/7", "error": "UndecodableEvent"}
    return DeadLetter.model_validate({**given, "message": f"no event: {JUNK!r} \x1b[0m", "first_at": at, "last_at": at, **changes})


def about(ref: Ref, age: int = 0, **changes: object) -> DeadLetter:
    """A letter of a document that is not there."""
    refused = {"document": ref.document, "tenant": ref.tenant, "namespace": ref.namespace, "key": ref.key, "revision": 64}
    return junk(age, **{**refused, "error": "DocumentRefused", **changes})


def listed(cli: Cli, *filters: str) -> list[str]:
    return [letter["id"] for letter in cli.ok("dead-letters", "list", *filters, *DATA)["letters"]]


def on_a_terminal(cli: Cli, *args: str, answer: str = "", interrupt: bool = False) -> tuple[int, str]:
    """What a person sees who answers the question, or presses Ctrl-C at it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*SYNCLINE, *args, *DATA], cwd=cli.folder, env=ENVIRONMENT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 0.5)[0]:
            if interrupt and b"[y/N]" in seen:  # the one before came between the question and the reading
                process.send_signal(signal.SIGINT)
            continue
        try:
            chunk = os.read(ours, 10_000)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        asked_before, seen = b"[y/N]" in seen, seen + chunk
        if b"[y/N]" in seen and not asked_before:
            if interrupt:
                process.send_signal(signal.SIGINT)
            else:
                os.write(ours, f"{answer}\n".encode())
    code = process.wait(timeout=30)
    os.close(ours)
    return code, seen.decode()


# ------------------------------------------------------------------ the main way


async def test_a_poison_document_is_set_aside_and_replayed_once_it_is_mended(copied: Cli) -> None:
    await poison(copied)
    found = copied("search", "about", "--namespace", "notes", *DATA, "--json")
    assert {hit["key"] for hit in found.json["hits"]} == {"good", "fine"}
    assert "1 document could not be indexed: syncline dead-letters list --data data" in found.err
    assert copied.ok("status", *DATA)["dead_letters"] == 1

    (letter,) = copied.ok("dead-letters", "list", *DATA)["letters"]
    assert (letter["key"], letter["error"], letter["closed"]) == ("poison", "DocumentRefused", None)
    assert "poison" in copied("dead-letters", "list", *DATA).out
    assert "index_spec" in copied("dead-letters", "show", letter["id"][:6], *DATA).out

    again = copied("dead-letters", "replay", letter["id"][:6], "--yes", *DATA, "--json")
    assert (again.code, again.json["failed_again"], again.json["first_ids"]["failed_again"]) == (1, 1, [letter["id"]])
    shown = copied.ok("dead-letters", "show", letter["id"], *DATA)
    assert shown["attempts"] > letter["attempts"]
    assert sum(reason["attempts"] for reason in shown["reasons"]) == shown["attempts"]

    _spec(copied, "")
    done = copied.ok("dead-letters", "replay", "--all", "--yes", *DATA)
    assert (done["replayed"], done["failed_again"], done["handled"]) == (1, 0, True)
    assert listed(copied) == []
    assert copied.ok("dead-letters", "list", "--closed", *DATA)["letters"][0]["closed"] == "resolved"


async def test_a_parked_document_has_its_letter_resolved_by_its_next_version(copied: Cli) -> None:
    await poison(copied)
    copied.ok("search", "about", "--namespace", "notes", *DATA)
    assert len(listed(copied)) == 1
    copied.ok("put", "notes", "poison", '{"text": "about something else"}', *DATA)
    assert listed(copied) == []
    (letter,) = copied.ok("dead-letters", "list", "--closed", *DATA)["letters"]
    assert (letter["key"], letter["closed"]) == ("poison", "resolved")


async def test_a_discarded_letter_keeps_its_reason_and_the_document(copied: Cli) -> None:
    await poison(copied)
    (letter,) = copied.ok("reconcile", "check", *DATA) and copied.ok("dead-letters", "list", *DATA)["letters"]
    neither = copied("dead-letters", "discard", "--yes", *DATA)
    assert neither.code == 2
    assert "--all" in neither.err
    discarded = copied.ok("dead-letters", "discard", letter["id"], "--note", "junk", "--yes", "--by", "ann", *DATA)
    assert (discarded["discarded"], discarded["stopped"]) == (1, False)
    shown = copied.ok("dead-letters", "show", letter["id"], *DATA)
    assert (shown["closed"], shown["note"]) == ("discarded", "junk")
    assert copied.ok("search", "about", "--namespace", "notes", *DATA)["hits"]
    assert listed(copied) == [], "its event came again, and the document was given up"
    unknown = copied("dead-letters", "replay", "ffffffffff", "--yes", *DATA, "--json")
    assert (unknown.code, unknown.json["error"]["kind"]) == (2, "InvalidInput")

    (record,) = copied.ok("audit", "list", "--action", "dead-letters discard", *DATA)["records"]
    assert (record["who"], record["action"], record["key"], record["outcome"]) == ("ann", "dead-letters discard", "poison", "done")
    assert record["details"]["note"] == "junk"


# ------------------------------------------------------------------ many


async def test_letters_are_filtered_counted_and_discarded_by_filter(copied: Cli) -> None:
    raw, old, other = junk(HOUR), about(Ref("default", ("notes",), "old"), 50 * HOUR), about(Ref("other", ("notes", "a"), "n"), 3 * HOUR)
    await bury(copied, [raw, old, other])
    names = {"raw": raw.id.hex, "old": old.id.hex, "other": other.id.hex}
    cases = {
        ("--reason", "documentrefused"): ["old", "other"],
        ("--tenant", "other"): ["other"],
        ("--namespace", "notes"): ["old", "other"],
        ("--namespace", "notes/a"): ["other"],
        ("--since", "2h"): ["raw"],
        ("--until", "2h"): ["old", "other"],
        ("--since", "1d", "--older-than", "120m"): ["other"],
        ("--since", "2001-01-01", "--until", "2001-01-02T10:00+02:00"): [],
    }
    for filters, expected in cases.items():
        assert listed(copied, *filters) == [names[name] for name in expected], filters
    some = copied.ok("dead-letters", "list", "--limit", "2", *DATA)
    assert ([letter["id"] for letter in some["letters"]], some["more"], some["summary"]) == ([names["old"], names["other"]], True, None)
    assert 50 * 3600 <= some["oldest"] < 50 * 3600 + 600
    counted = copied.ok("dead-letters", "list", "--summary", "--older-than", "2h", *DATA)
    assert counted["letters"] == []
    assert (counted["summary"]["count"], counted["summary"]["by_error"]) == (2, {"DocumentRefused": 2})
    assert "2 d ago" in copied("dead-letters", "list", "--summary", *DATA).out

    assert "--note" in copied("dead-letters", "discard", "--reason", "DocumentRefused", "--yes", *DATA).err
    both = copied("dead-letters", "discard", names["raw"], "--tenant", "other", "--yes", *DATA)
    assert (both.code, "by a filter" in both.err) == (2, True)
    assert copied.ok("dead-letters", "discard", "--reason", "DocumentRefused", "--note", "gone", "--yes", *DATA)["discarded"] == 2
    assert listed(copied) == [names["raw"]]
    (record,) = copied.ok("audit", "list", "--action", "dead-letters discard", "--since", "1h", *DATA)["records"]
    assert (record["details"]["letters"], record["details"]["filter"]) == (2, {"error": "DocumentRefused"})
    assert copied.ok("audit", "list", "--until", "1h", *DATA)["records"] == []


async def test_what_makes_no_sense_is_a_clear_error(copied: Cli) -> None:
    for option, value in [("--since", "yesterday"), ("--older-than", "5"), ("--until", "2h ago")]:
        ran = copied("dead-letters", "list", option, value, *DATA, "--json")
        assert (ran.code, ran.json["error"]["kind"]) == (2, "InvalidInput")
        assert option in ran.err
    assert "--rate" in copied("dead-letters", "replay", "--all", "--yes", "--rate", "fast", *DATA).err


async def test_a_dry_run_needs_no_consent_and_a_rate_is_kept(copied: Cli) -> None:
    await bury(copied, [junk()])
    assert copied.ok("dead-letters", "replay", "--all", "--dry-run", *DATA)["undecodable"] == 1
    refused = copied("dead-letters", "replay", "--all", *DATA, "--json")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert copied("dead-letters", "discard", "--all", "--note", "junk", *DATA).code == 2
    assert copied.ok("audit", "list", *DATA)["records"] == []
    slow = copied("dead-letters", "replay", "--all", "--rate", "600/m", "--yes", *DATA, "--json")
    assert (slow.code, slow.json["undecodable"]) == (1, 1)
    assert len(listed(copied)) == 1


# ------------------------------------------------------------------ on a terminal


async def test_who_sits_at_a_terminal_is_asked(copied: Cli) -> None:
    await bury(copied, [junk(), junk(source="elsewhere")])
    code, seen = on_a_terminal(copied, "dead-letters", "discard", "--all", "--note", "junk", answer="n")
    assert (code, "Discard 2 letters?" in seen) == (1, True)
    code, seen = on_a_terminal(copied, "dead-letters", "discard", "--all", "--note", "junk", interrupt=True)
    assert code == 130
    assert len(listed(copied)) == 2
    code, seen = on_a_terminal(copied, "dead-letters", "discard", "--all", "--note", "junk", answer="y")
    assert (code, "2 letters discarded" in seen) == (0, True)
    assert listed(copied) == []


async def test_bytes_that_are_no_event_do_nothing_to_a_terminal(copied: Cli) -> None:
    sent = junk(note="\x1b[31m")
    ref = Ref("default", ("notes\x1b[2J",), "[bold]\u202ekey\x9b")
    named = about(ref)
    await bury(copied, [sent, named])
    commands = [("dead-letters", "list"), *(("dead-letters", "show", each.id.hex) for each in (sent, named))]
    for command in commands:
        for form in ((), ("--json",)):
            said = copied(*command, *form, *DATA).out
            assert said
            assert all(one.isprintable() or one == "\n" for one in said), repr(said)
    shown = copied.ok("dead-letters", "show", sent.id.hex, *DATA)
    assert base64.b64decode(shown["payload_base64"]) == JUNK
    assert shown["headers"] == {"h": "\x1b[1m"}
    assert "[2J" in copied("dead-letters", "show", sent.id.hex, *DATA).out, "what prints is shown"
    (document,) = [letter for letter in copied.ok("dead-letters", "list", *DATA)["letters"] if letter["key"]]
    assert (document["key"], document["namespace"]) == (ref.key, list(ref.namespace))
    assert "[bold]" in copied("dead-letters", "list", *DATA).out


async def test_ctrl_c_ends_a_replay_after_what_is_under_way(copied: Cli) -> None:
    """The letters are of documents that are long gone: to replay one is to resolve it."""
    gone = [ChangeEvent.of(Ref("default", ("notes",), f"n{number}"), 64, Kind.WRITE, first_at=64) for number in range(5)]
    await bury(copied, [about(event.ref, payload=codec.encode(event)[0], headers={}) for event in gone])
    process = copied.start("dead-letters", "replay", "--all", "--yes", "--rate", "1/m", "--json", *DATA)
    async with await open_sqlite(str(copied.folder / "data" / "documents.db"), clock=Clock()) as engine, asyncio.timeout(30):
        while not await _is_replayed(engine):
            assert process.poll() is None
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    found = json.loads(out)
    assert (found["replayed"], found["stopped"], found["handled"], found["failed_again"]) == (1, True, True, 0)
    assert len(listed(copied)) == 4
    (record,) = copied.ok("audit", "list", *DATA)["records"]
    assert (record["action"], record["outcome"], record["details"]["letters"]) == ("dead-letters replay", "cut short", 1)


async def _is_replayed(engine: SqliteEngine) -> bool:
    rows = [await engine.outbox.read(shard, Pos(0), Pos(1 << 62), 1_000) for shard in range(engine.outbox.shards)]
    return any(row.event.kind is Kind.REPAIR for part in rows for row in part)
