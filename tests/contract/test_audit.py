"""What every engine's audit must do, once for each implementation."""

import uuid

import pytest

from syncline_contracts.audit import Action, AuditRecord
from syncline_contracts.errors import InvalidQuery
from syncline_contracts.identity import Ref
from syncline_store.engines.protocol import EVERY_RECORD, AuditFilter, Engine
from tests.contract.engines import Implementation
from tests.parts.clock import SECOND, START, ManualClock

DAY = 86_400 * SECOND


def record(at: int = START, **changes: object) -> AuditRecord:
    given = {"at": at, "who": "ann@host", "action": Action.REPLAY, "details": {"letters": 1}, "outcome": "done"}
    return AuditRecord.model_validate({**given, **changes})


async def scanned(engine: Engine, where: AuditFilter = EVERY_RECORD, *, limit: int = 2, newest_first: bool = True) -> list[AuditRecord]:
    found: list[AuditRecord] = []
    after: str | None = None
    while True:
        page = await engine.audit.scan(after, limit, where=where, newest_first=newest_first)
        assert len(page.items) <= limit
        found += page.items
        if (after := page.after) is None:
            return found


async def test_a_record_is_kept_as_it_is(engine: Engine) -> None:
    sent = record(
        tenant="acme",
        namespace=("notes", "a\x01b"),
        key="n1",
        details={"first_ids": ["a", "b"], "note": "\N{SNOWMAN} \x1b", "filter": {"older_than": 5.5, "tenant": None}},
        outcome="failed: StorageUnavailable",
    )
    await engine.audit.record([sent])
    assert await scanned(engine) == [sent]
    assert sent.ref == Ref("acme", ("notes", "a\x01b"), "n1")


async def test_recording_nothing_does_nothing_and_the_same_record_twice_is_one(engine: Engine) -> None:
    await engine.audit.record([])
    assert await scanned(engine) == []
    one = record()
    await engine.audit.record([one])
    await engine.audit.record([one])
    assert await scanned(engine) == [one]
    assert one.ref is None


async def test_records_outlive_the_process(engine: Engine, another: Engine) -> None:
    sent = record()
    await engine.audit.record([sent])
    assert await scanned(another) == [sent]


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_they_are_paged_by_time_in_both_directions_over_days(engine: Engine, limit: int) -> None:
    """Days without a record lie between; several records have one time."""
    times = [START, START, START - 1, START - DAY, START - 3 * DAY, START - 40 * DAY, START - 88 * DAY]
    await engine.audit.record([record(at) for at in times])
    newest = await scanned(engine, limit=limit)
    assert [one.at for one in newest] == times
    assert await scanned(engine, limit=limit, newest_first=False) == newest[::-1]


async def test_they_are_found_by_action_tenant_and_time(engine: Engine) -> None:
    mine = record(START - 2 * DAY, tenant="acme")
    theirs = record(START - DAY, tenant="other", action=Action.DISCARD)
    nobodys = record(START, action="a later version's")
    await engine.audit.record([mine, theirs, nobodys])
    assert await scanned(engine, AuditFilter(tenant="acme")) == [mine]
    assert await scanned(engine, AuditFilter(action=Action.DISCARD)) == [theirs]
    assert await scanned(engine, AuditFilter(action="a later version's", tenant="acme")) == []
    for newest_first in (True, False):
        assert await scanned(engine, AuditFilter(since=START - DAY, until=START), newest_first=newest_first) == [theirs]
    assert await scanned(engine, AuditFilter(since=START - DAY)) == [nobodys, theirs]
    assert await scanned(engine, AuditFilter(until=START - DAY)) == [mine]
    assert await scanned(engine, AuditFilter(since=START + DAY // 2)) == []


async def test_nobodys_cursor_is_refused(engine: Engine) -> None:
    for cursor in ("garbage", "", "WzEsInp6Il0=", "WyJhIiwiYiJd"):
        with pytest.raises(InvalidQuery):
            await engine.audit.scan(cursor, 10)


async def test_no_limit_no_records(engine: Engine) -> None:
    await engine.audit.record([record(), record(id=uuid.uuid4())])
    page = await engine.audit.scan(None, 0)
    assert (list(page.items), page.after) == ([], None)


async def test_records_end_after_their_life(engine: Engine, implementation: Implementation, now: ManualClock) -> None:
    old, young = record(START), record(START + 80 * DAY)
    await engine.audit.record([old, young])
    if implementation.own_time:
        pytest.skip("its server's clock decides")
    now.forward(91 * 86_400)
    await engine.expire(now())
    assert await scanned(engine, newest_first=False) == [young]
