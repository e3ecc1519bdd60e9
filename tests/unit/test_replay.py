"""Dead letters in an operator's hands, on a real store: what is replayed is handled, or stays a letter."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncline_contracts import codec
from syncline_contracts.dead_letter import Closed, DeadLetter
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_store.engines.sqlite import SqliteEngine, open_sqlite
from syncline_sync_worker.dead_letters.replay import DeadLetterDesk, Replayed
from tests.parts.clock import START, ManualClock


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with await open_sqlite(str(tmp_path / "x.db"), clock=Clock(now=ManualClock()), shards=1) as engine:
        yield engine


@pytest.fixture
def desk(engine: SqliteEngine) -> DeadLetterDesk:
    return DeadLetterDesk(engine)


def letter(key: str, payload: bytes | None = None) -> DeadLetter:
    ref = Ref("acme", ("notes",), key)
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
        }
    )


async def outbox(engine: SqliteEngine) -> list[OutboxRow]:
    return list(await engine.outbox.read(0, Pos(0), Pos(1 << 62), 10_000))


async def test_a_replay_is_an_ordinary_event_that_compares_every_point(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    one = letter("n1")
    await engine.dead_letters.add([one])
    assert await desk.replay([one.id]) == Replayed(events=(one.id,))
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


async def test_bytes_that_are_no_event_stay_and_say_so(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    bad, good = letter("x", payload=b"\xff"), letter("n1")
    await engine.dead_letters.add([bad, good])
    replayed = await desk.replay([bad.id, good.id])
    assert replayed == Replayed(events=(good.id,), undecodable=(bad.id,))
    assert len((await desk.list()).items) == 2


async def test_bytes_that_this_version_can_decode_are_replayed_and_closed(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    newer = letter("n1").model_copy(update={"document": None, "tenant": None, "namespace": None, "key": None})
    await engine.dead_letters.add([newer])
    assert await desk.replay([newer.id]) == Replayed(events=(newer.id,))
    assert len(await outbox(engine)) == 1
    shown = await desk.show(newer.id)
    assert shown is not None
    assert shown.closed is Closed.REPLAYED


async def test_all_of_them_are_replayed_page_by_page(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    letters = [letter(str(number)) for number in range(600)]
    await engine.dead_letters.add(letters)
    replayed = await desk.replay_all()
    assert set(replayed.events) == {one.id for one in letters}
    assert len(await outbox(engine)) == 600


async def test_letters_that_are_closed_or_were_never_there_are_named(engine: SqliteEngine, desk: DeadLetterDesk) -> None:
    closed, nobody = letter("n1"), uuid.uuid4()
    await engine.dead_letters.add([closed])
    assert await desk.discard([closed.id], "seen to") == 1
    assert await desk.replay([closed.id, nobody]) == Replayed(unknown=(closed.id, nobody))
    assert await outbox(engine) == []
    shown = await desk.show(closed.id)
    assert shown is not None
    assert (shown.closed, shown.note) == (Closed.DISCARDED, "seen to")
