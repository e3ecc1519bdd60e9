"""Dead letters in an operator's hands, on a real store: what is replayed is handled, or stays a letter."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from syncline_contracts import codec
from syncline_contracts.audit import Action, AuditRecord
from syncline_contracts.dead_letter import Closed, DeadLetter
from syncline_contracts.errors import StorageUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.engines.sqlite import SqliteEngine, open_sqlite
from syncline_sync_worker.auditing import whoami
from syncline_sync_worker.dead_letters.choosing import FIRST_IDS, NO_IDS, Ids, LetterFilter
from syncline_sync_worker.dead_letters.pace import BATCH, Pace
from syncline_sync_worker.dead_letters.replay import RECORDED, DeadLetterDesk, Replayed
from tests.parts.clock import SECOND, START, ManualClock

HOUR = 3600 * SECOND


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with await open_sqlite(str(tmp_path / "x.db"), clock=Clock(now=ManualClock()), shards=1) as engine:
        yield engine


@pytest.fixture
def desk(engine: SqliteEngine) -> DeadLetterDesk:
    return DeadLetterDesk(engine)


def letter(key: str, payload: bytes | None = None, *, tenant: str = "acme", **changes: object) -> DeadLetter:
    ref = Ref(tenant, ("notes",), key)
    event = ChangeEvent.of(ref, START, Kind.WRITE, first_at=START - 5, expires_at=START + 9)
    body, headers = codec.encode(event)
    known = {} if payload else {"document": ref.document, "tenant": ref.tenant, "namespace": ref.namespace, "key": key, "revision": START}
    return DeadLetter.model_validate(
        {
            "document": None,
            "payload": payload or body,
            "headers": headers,
            "source": "outbox/0/1",
            "error": "E",
            "message": "m",
            "first_at": START,
            "last_at": START,
            **known,
            **changes,
        }
    )


async def outbox(engine: SqliteEngine) -> list[OutboxRow]:
    return list(await engine.outbox.read(0, Pos(0), Pos(1 << 62), 10_000))


async def recorded(engine: SqliteEngine) -> list[AuditRecord]:
    return list((await engine.audit.scan(None, 100)).items)


def ids(*letters: DeadLetter) -> Ids:
    return Ids.of(each.id for each in letters)


# ------------------------------------------------------------------ replaying


async def test_a_replay_is_an_ordinary_event_that_compares_every_point(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    one = letter("n1")
    await engine.dead_letters.add([one])
    assert await desk.replay([one.id]) == Replayed(events=ids(one))
    (row,) = await outbox(engine)
    was = codec.decode(one.payload, one.headers)
    assert row.event == was.model_copy(update={"id": row.event.id, "kind": Kind.REPAIR})
    assert row.event.id != was.id


async def test_a_replayed_letter_stays_open_until_its_document_is_handled(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    one = letter("n1")
    await engine.dead_letters.add([one])
    await desk.replay([one.id])
    assert [found.id for found in (await desk.list()).items] == [one.id]
    await engine.dead_letters.resolve({one.document: START})
    assert (await desk.list()).items == []
    shown = await desk.show(one.id)
    assert shown is not None
    assert shown.closed is Closed.RESOLVED


async def test_replaying_again_and_failing_again_makes_no_second_letter(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    one = letter("n1", attempts=3)
    await engine.dead_letters.add([one])
    for number in (1, 2):
        await desk.replay_all()
        failure = letter("n1", attempts=3, first_at=START + number, last_at=START + number, message=f"still not {number}")
        await engine.dead_letters.add([failure])
        assert await desk.failed_since([one.id], START + number) == ids(one)
        assert await desk.failed_since(LetterFilter(error="another by now"), START + number) == ids(one)
    (found,) = (await desk.list()).items
    assert (found.id, found.attempts, found.first_at) == (one.id, 9, START)
    assert [reason.message for reason in await desk.reasons(one.id)] == ["still not 2", "still not 1", "m"]
    assert await desk.failed_since([one.id], START + 3) == NO_IDS


async def test_bytes_that_are_no_event_stay_and_say_so(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    bad, good = letter("x", payload=b"\xff"), letter("n1")
    await engine.dead_letters.add([bad, good])
    replayed = await desk.replay([bad.id, good.id])
    assert replayed == Replayed(events=ids(good), undecodable=ids(bad))
    assert len((await desk.list()).items) == 2


async def test_bytes_that_this_version_can_decode_are_replayed_and_closed(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    newer = letter("n1").model_copy(update={"document": None, "tenant": None, "namespace": None, "key": None})
    await engine.dead_letters.add([newer])
    assert await desk.replay([newer.id]) == Replayed(events=ids(newer))
    assert len(await outbox(engine)) == 1
    shown = await desk.show(newer.id)
    assert shown is not None
    assert shown.closed is Closed.REPLAYED


async def test_bytes_that_cannot_be_written_back_keep_their_letter(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = letter("n1").model_copy(update={"document": None, "tenant": None, "namespace": None, "key": None})
    await engine.dead_letters.add([newer])

    async def down(events: Sequence[ChangeEvent], due: int | None = None) -> None:
        raise StorageUnavailable(f"no route to host: {len(events)}, {due}")

    monkeypatch.setattr(engine.outbox, "append", down)
    desk = DeadLetterDesk(engine)
    with pytest.raises(StorageUnavailable):
        await desk.replay_all()
    assert [found.id for found in (await desk.list()).items] == [newer.id]


async def test_all_of_them_are_replayed_page_by_page(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    letters = [letter(str(number)) for number in range(600)]
    await engine.dead_letters.add(letters)
    told: list[int] = []
    replayed = await desk.replay(LetterFilter(), advance=told.append)
    assert replayed.events.count == 600
    assert len(replayed.events.first) == FIRST_IDS
    assert {row.event.key for row in await outbox(engine)} == {str(number) for number in range(600)}
    assert (sum(told), max(told)) == (600, BATCH)


async def test_letters_that_are_made_meanwhile_are_not_replayed(engine: SqliteEngine) -> None:
    """Or a replay of all would never end while documents fail."""
    early, late = letter("early"), letter("late", first_at=START + 1)
    await engine.dead_letters.add([early, late])
    assert await DeadLetterDesk(engine, now=lambda: START).replay_all() == Replayed(events=ids(early))


async def test_letters_that_are_closed_or_were_never_there_are_named(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    closed, nobody = letter("n1"), uuid.uuid4()
    await engine.dead_letters.add([closed])
    assert await desk.discard([closed.id], "seen to") == 1
    assert await desk.replay([closed.id, nobody]) == Replayed(unknown=Ids.of((closed.id, nobody)))
    assert await outbox(engine) == []
    shown = await desk.show(closed.id)
    assert shown is not None
    assert (shown.closed, shown.note) == (Closed.DISCARDED, "seen to")


async def test_a_dry_run_says_the_same_and_changes_nothing(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    bad, good, other = letter("x", payload=b"\xff"), letter("n1"), letter("n2", tenant="other")
    await engine.dead_letters.add([bad, good, other])
    assert await desk.would_replay(LetterFilter(tenant="acme")) == Replayed(events=ids(good))
    everything = await desk.would_replay([bad.id, good.id])
    assert (await outbox(engine), await recorded(engine)) == ([], [])
    assert everything == await desk.replay([bad.id, good.id])


async def test_a_rate_is_kept(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    await engine.dead_letters.add([letter(str(number)) for number in range(12)])
    began = time.monotonic()
    replayed = await desk.replay(LetterFilter(), pace=Pace(40.0))
    assert replayed.events.count == 12
    assert time.monotonic() - began >= 12 / 40
    assert Pace(0.5).batch == 1
    assert Pace(1e6).batch == BATCH


async def test_a_stop_ends_it_after_the_batch_under_way_and_the_rest_stays_open(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    await engine.dead_letters.add([letter(str(number)) for number in range(10)])
    stop = asyncio.Event()
    async with asyncio.timeout(5):
        replayed = await desk.replay(LetterFilter(), pace=Pace(0.001), stop=stop, advance=lambda _: stop.set())
    assert (replayed.events.count, replayed.stopped) == (1, True)
    assert len(await outbox(engine)) == 1
    assert [record.outcome for record in await recorded(engine)] == ["cut short"]


# ------------------------------------------------------------------ choosing


async def test_letters_are_found_by_error_tenant_namespace_and_time(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    deep = Ref("acme", ("notes", "a"), "deep")
    of = {
        "old": letter("old", first_at=START - 3 * HOUR),
        "other": letter("other", tenant="other", error="Refused", first_at=START - 2 * HOUR),
        "deep": letter("deep", namespace=deep.namespace, document=deep.document, first_at=START - HOUR),
        "raw": letter("raw", payload=b"\xff", error="UndecodableEvent"),
    }
    await engine.dead_letters.add(list(of.values()))
    names = {each.id: name for name, each in of.items()}

    async def found(**given: object) -> list[str]:
        return [names[each.id] async for each in desk.letters(LetterFilter(**given), page=1)]  # type: ignore[arg-type]  # a test's shorthand

    assert await found() == ["old", "other", "deep", "raw"]
    assert await found(error="refused") == ["other"]
    assert await found(tenant="acme") == ["old", "deep"]
    assert await found(prefix=("notes",)) == ["old", "other", "deep"]
    assert await found(prefix=("notes", "a")) == ["deep"]
    assert await found(prefix=("note",)) == []
    assert await found(since=START - 2 * HOUR) == ["other", "deep", "raw"]
    assert await found(until=START - 2 * HOUR) == ["old"]
    assert await found(since=START - 2 * HOUR, until=START, tenant="acme") == ["deep"]
    assert await desk.discard(LetterFilter(tenant="acme"), "why") == 2
    assert await found() == ["other", "raw"]
    assert [each.id async for each in desk.letters(closed=True)] == [each.id for each in of.values()]


async def test_a_summary_counts_by_error_and_names_the_oldest(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    assert await desk.oldest() is None
    assert (await desk.summary()).oldest is None
    letters = [letter(str(number), error="EF"[number % 3 > 0], first_at=START + number) for number in range(300)]
    await engine.dead_letters.add(letters)
    summary = await desk.summary(LetterFilter(since=START + 1))
    assert (summary.count, summary.by_error, summary.oldest) == (299, {"E": 99, "F": 200}, START + 1)
    assert await desk.oldest() == START


# ------------------------------------------------------------------ the audit


async def test_each_action_leaves_one_record_however_many_letters_it_touched(engine: SqliteEngine) -> None:
    desk = DeadLetterDesk(engine, who="ann")
    letters = [letter(str(number)) for number in range(2 * BATCH + 1)]
    await engine.dead_letters.add(letters)
    await desk.replay(LetterFilter(tenant="acme", error="e"))
    await desk.discard(LetterFilter(prefix=("notes",)), "junk")
    discarded, replayed = await recorded(engine)
    assert (replayed.action, replayed.who, replayed.tenant, replayed.outcome) == (Action.REPLAY, "ann", "acme", "done")
    assert replayed.details["letters"] == len(letters)
    assert set(replayed.details["first_ids"]) < {each.id.hex for each in letters}
    assert len(replayed.details["first_ids"]) == RECORDED
    assert replayed.details["filter"] == {"tenant": "acme", "error": "e"}
    assert (discarded.action, discarded.tenant, discarded.outcome) == (Action.DISCARD, None, "done")
    assert (discarded.details["letters"], discarded.details["note"]) == (len(letters), "junk")
    assert discarded.details["filter"] == {"prefix": ["notes"]}


async def test_the_record_of_one_letter_names_its_document_and_the_systems_user(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    one = letter("n1")
    await engine.dead_letters.add([one])
    await desk.discard([one.id], "junk")
    (record,) = await recorded(engine)
    assert record.ref == one.ref
    assert record.who == whoami()
    assert "@" in record.who


async def test_what_changed_nothing_leaves_no_record(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    bad = letter("x", payload=b"\xff")
    await engine.dead_letters.add([bad])
    await desk.replay([bad.id, uuid.uuid4()])
    await desk.discard([uuid.uuid4()], "junk")
    assert await recorded(engine) == []


async def test_what_failed_half_way_is_recorded_as_far_as_it_came(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    await engine.dead_letters.add([letter(str(number)) for number in range(3 * BATCH)])

    def break_down(more: int) -> None:
        raise BrokenPipeError(more)

    with pytest.raises(BrokenPipeError):
        await desk.replay(LetterFilter(), advance=break_down)
    (record,) = await recorded(engine)
    assert (record.outcome, record.details["letters"]) == ("failed: BrokenPipeError", BATCH)


async def test_a_replay_in_part_says_so(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    bad, good = letter("x", payload=b"\xff"), letter("n1")
    await engine.dead_letters.add([bad, good])
    await desk.replay_all()
    (record,) = await recorded(engine)
    assert (record.outcome, record.details["letters"], record.details["undecodable"]) == ("in part", 1, 1)
