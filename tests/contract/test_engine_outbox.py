"""What every storage engine promises of its outbox, its leases and its dead letters."""

import asyncio
import itertools
import uuid
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncline_contracts.dead_letter import Closed, DeadLetter
from syncline_contracts.errors import InvalidQuery
from syncline_contracts.event import ChangeEvent, Kind
from syncline_store.engines.protocol import Engine, Lease, OutboxRow, Pos, Stored
from tests.contract.engines import Implementation
from tests.parts.clock import SECOND, START, ManualClock
from tests.parts.writes import ref, write

BEGIN = Pos(0)


def event(key: str = "n1", revision: int = 64, kind: Kind = Kind.WRITE) -> ChangeEvent:
    return ChangeEvent.of(ref(key), revision, kind, first_at=START)


async def rows(engine: Engine, until: int = START * 2) -> list[OutboxRow]:
    """Every row of every shard up to a time."""
    return [row for shard in range(engine.outbox.shards) for row in await engine.outbox.read(shard, BEGIN, Pos(until), 10_000)]


async def fullest(engine: Engine) -> list[OutboxRow]:
    """The rows of the shard that holds most."""
    by_shard = [list(await engine.outbox.read(shard, BEGIN, Pos(START * 2), 10_000)) for shard in range(engine.outbox.shards)]
    return max(by_shard, key=len)


# ------------------------------------------------------------------ outbox


async def test_an_event_is_read_as_it_was_written(engine: Engine, now: ManualClock) -> None:
    whole = ChangeEvent(
        tenant="acme",
        namespace=("a\x01", "b.c"),
        key="k/\x00",
        revision=640,
        kind=Kind.INTENT,
        expires_at=START + SECOND,
        first_at=START - SECOND,
        expects=uuid.uuid4(),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    plain = event()
    await engine.outbox.append([whole, plain])
    found = await rows(engine)
    assert {row.event.id: row.event for row in found} == {whole.id: whole, plain.id: plain}
    assert len({row.shard for row in found}) == 1, "a batch goes to one shard"


async def test_a_documents_write_carries_its_trace(engine: Engine) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    first, second = write(ref("a"), 64), write(ref("b"), 128)
    await engine.documents.write([replace(first, event=first.event.model_copy(update={"traceparent": trace})), second])
    assert {row.event.key: row.event.traceparent for row in await rows(engine)} == {"a": trace, "b": None}


async def test_a_row_stands_at_the_time_of_its_writing(engine: Engine, implementation: Implementation, now: ManualClock) -> None:
    await engine.documents.write([write(ref("a"), 64)])
    now.forward(5)
    await engine.outbox.append([event("b")])
    found = {row.event.key: row.pos.at for row in await rows(engine)}
    if implementation.own_time:
        assert found["a"] <= found["b"]
    else:
        assert found == {"a": START, "b": START + 5 * SECOND}


async def test_a_due_row_stands_where_it_is_due(engine: Engine, now: ManualClock) -> None:
    due = now() + 30 * SECOND
    for key in ("a", "b"):
        await engine.outbox.append([event(key)], due)
    assert await rows(engine, until=due - 1) == []
    found = await rows(engine, until=due + SECOND)
    assert {(row.event.key, row.pos.at) for row in found} == {("a", due), ("b", due)}


async def test_no_two_rows_share_a_place(engine: Engine) -> None:
    for _ in range(60):
        await engine.documents.write([write(ref(f"n{n}"), 64) for n in range(3)])
        await engine.outbox.append([event()], START + SECOND)
    places = [(row.shard, row.pos) for row in await rows(engine)]
    assert len(set(places)) == len(places) == 240


async def test_reading_is_bounded_and_in_order(engine: Engine, now: ManualClock) -> None:
    for n in range(20):
        await engine.outbox.append([event(f"n{n}-{m}") for m in range(10)])
        now.forward(n % 3)
    everything = await fullest(engine)
    shard = everything[0].shard
    places = [row.pos for row in everything]
    assert places == sorted(places)
    for limit in (1, 7, len(everything)):
        paged: list[OutboxRow] = []
        after = BEGIN
        while page := await engine.outbox.read(shard, after, Pos(START * 2), limit):
            assert len(page) <= limit
            paged += page
            after = page[-1].pos
        assert paged == everything
    for first, last in itertools.combinations(range(0, len(places), 5), 2):
        part = await engine.outbox.read(shard, places[first], places[last], 10_000)
        assert [row.pos for row in part] == places[first + 1 : last + 1], "after is left out, until is included"
    assert await engine.outbox.read(shard, places[-1], Pos(START * 2), 10) == []
    assert await engine.outbox.read(shard, places[3], places[3], 10) == []


async def test_places_are_those_of_the_rows(engine: Engine, now: ManualClock) -> None:
    """Between any two bounds, with any limit, rows' own places and such as no row has."""
    for n in range(12):
        await engine.outbox.append([event(f"n{n}-{m}") for m in range(5)])
        now.forward(90 * (n % 2))
    everything = await fullest(engine)
    shard, places = everything[0].shard, [row.pos for row in everything]
    assert await engine.outbox.places(shard, BEGIN, Pos(START * 2), 10_000) == places
    bounds = [BEGIN, *places[::3], *(Pos(pos.at) for pos in places[::4]), *(Pos(pos.at + 1) for pos in places[::4]), Pos(START * 2)]
    for after, until in itertools.product(bounds, repeat=2):
        for limit in (1, 7, 10_000):
            rows_there = await engine.outbox.read(shard, after, until, limit)
            assert await engine.outbox.places(shard, after, until, limit) == [row.pos for row in rows_there]


async def test_a_bound_without_a_tie_stands_before_its_microsecond(engine: Engine, now: ManualClock) -> None:
    await engine.outbox.append([event()])
    at = (await rows(engine))[0].pos.at
    assert await rows(engine, until=at) == []
    assert len(await rows(engine, until=at + 1)) == 1


async def test_places_never_go_back(engine: Engine, now: ManualClock) -> None:
    """Though the system clock does; rows of one microsecond keep the order of their writing."""
    for n in range(40):
        await engine.outbox.append([event(revision=n)])
        now.forward([1, 0, -30][n % 3])
    found = sorted(await rows(engine), key=lambda row: row.pos)
    assert [row.event.revision for row in found] == list(range(40))


async def test_batches_spread_over_the_shards(engine: Engine) -> None:
    assert engine.outbox.shards >= 2
    for _ in range(20 * engine.outbox.shards):
        await engine.documents.write([write(ref(), 64)])
    assert {row.shard for row in await rows(engine)} == set(range(engine.outbox.shards))


async def test_lateness_is_declared(engine: Engine) -> None:
    assert engine.outbox.lateness > 0
    assert engine.documents.lateness >= 0


async def test_both_engines_see_one_outbox(engine: Engine, another: Engine) -> None:
    assert engine.outbox.shards == another.outbox.shards
    await engine.outbox.append([event("a")])
    await another.outbox.append([event("b")])
    assert {row.event.key for row in await rows(engine)} == {row.event.key for row in await rows(another)} == {"a", "b"}


# ------------------------------------------------------------------ leases


async def test_a_lease_is_one_owners_until_it_ends(engine: Engine, implementation: Implementation, now: ManualClock) -> None:
    mine = await taken(engine, "me", life=10 * SECOND)
    assert (mine.shard, mine.owner, mine.mark) == (0, "me", None)
    assert await engine.leases.acquire(0, "you", 10 * SECOND) is None
    assert await engine.leases.acquire(1, "you", 10 * SECOND) is not None, "shards are leased one by one"
    if implementation.own_time:
        return
    now.forward(9.999_999)
    assert await engine.leases.acquire(0, "you", 10 * SECOND) is None
    now.forward(0.000_001)
    yours = await taken(engine, "you")
    assert yours.epoch == mine.epoch + 1
    assert yours.until == now() + 10 * SECOND


async def taken(engine: Engine, owner: str, shard: int = 0, life: int = 10 * SECOND) -> Lease:
    lease = await engine.leases.acquire(shard, owner, life)
    assert lease is not None
    return lease


async def test_an_owner_takes_its_own_lease_again(engine: Engine) -> None:
    first = await taken(engine, "me")
    second = await taken(engine, "me")
    assert second.epoch == first.epoch + 1
    assert not await engine.leases.checkpoint(first, Pos(5)), "the former epoch is over"
    assert await engine.leases.renew(first, SECOND) is None
    assert await engine.leases.checkpoint(second, Pos(5))


async def test_renewing_prolongs(engine: Engine, implementation: Implementation, now: ManualClock) -> None:
    if implementation.own_time:
        pytest.skip("its server has a clock")
    lease = await taken(engine, "me")
    now.forward(8)
    renewed = await engine.leases.renew(lease, 10 * SECOND)
    assert renewed == Lease(0, "me", lease.epoch, now() + 10 * SECOND, None)
    now.forward(8)
    assert await engine.leases.acquire(0, "you", SECOND) is None


async def test_a_lost_lease_moves_nothing(engine: Engine, implementation: Implementation, now: ManualClock) -> None:
    """Invariant 7: a relay that lost its lease cannot move the checkpoint."""
    lost = await taken(engine, "me", life=SECOND)
    assert await engine.leases.checkpoint(lost, Pos(100, b"a"))
    if implementation.own_time:
        await engine.leases.release(lost)
    else:
        now.forward(2)
    held = await taken(engine, "you")
    assert held.mark == Pos(100, b"a"), "the mark comes with the lease"
    assert not await engine.leases.checkpoint(lost, Pos(200))
    assert await engine.leases.renew(lost, SECOND) is None
    await engine.leases.release(lost)
    assert await engine.leases.acquire(0, "they", SECOND) is None, "releasing a lost lease frees nothing"
    assert (await engine.leases.marks())[0] == Pos(100, b"a")


async def test_a_mark_never_goes_back(engine: Engine) -> None:
    lease = await taken(engine, "me")
    for mark in (Pos(100, b"b"), Pos(100, b"a"), Pos(99, b"z"), Pos(100), Pos(-5)):
        assert await engine.leases.checkpoint(lease, mark), "still ours, though it changes nothing"
        assert (await engine.leases.marks())[0] == Pos(100, b"b")
    assert await engine.leases.checkpoint(lease, Pos(101))
    assert (await engine.leases.marks())[0] == Pos(101)


async def test_a_released_lease_is_free_at_once_and_keeps_its_mark(engine: Engine) -> None:
    lease = await taken(engine, "me")
    await engine.leases.checkpoint(lease, Pos(7))
    await engine.leases.release(lease)
    assert await engine.leases.renew(lease, SECOND) is None
    assert not await engine.leases.checkpoint(lease, Pos(8))
    next_ = await taken(engine, "you")
    assert (next_.mark, next_.epoch) == (Pos(7), lease.epoch + 1)


async def test_marks_name_every_shard(engine: Engine) -> None:
    nothing = dict.fromkeys(range(engine.outbox.shards))
    assert await engine.leases.marks() == nothing
    lease = await taken(engine, "me", shard=1)
    assert await engine.leases.marks() == nothing
    await engine.leases.checkpoint(lease, Pos(7, b"x"))
    assert await engine.leases.marks() == {**nothing, 1: Pos(7, b"x")}


async def test_of_many_that_want_it_one_gets_it(engine: Engine, another: Engine) -> None:
    both = [engine, another]
    got = await asyncio.gather(*(both[n % 2].leases.acquire(0, f"relay-{n}", 10 * SECOND) for n in range(10)))
    assert len([lease for lease in got if lease is not None]) == 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(marks=st.lists(st.builds(Pos, st.integers(-(2**40), 2**60), st.binary(max_size=16)), min_size=1, max_size=6))
async def test_the_mark_is_the_greatest_of_all(engine: Engine, marks: list[Pos]) -> None:
    lease = await taken(engine, "me")
    before = lease.mark
    for mark in marks:
        await engine.leases.checkpoint(lease, mark)
    assert (await engine.leases.marks())[0] == max([*marks, *([before] if before else [])])


# ------------------------------------------------------------------ dead letters


def letter(key: str | None = "n1", *, revision: int = 64, at: int = START, message: str = "too long") -> DeadLetter:
    if key is None:
        return DeadLetter(document=None, payload=b"\xff\x00", source="kafka/t/0/1", error="E", message=message, first_at=at, last_at=at)
    to = ref(key)
    return DeadLetter(
        document=to.document,
        tenant=to.tenant,
        namespace=to.namespace,
        key=to.key,
        revision=revision,
        payload=b'{"a": 1}',
        headers={"ce_id": "x", "ü": "ü"},
        source="outbox/0/1-ff",
        error="DocumentRefused",
        message=message,
        first_at=at,
        last_at=at,
    )


async def letters(engine: Engine, *, closed: bool = False, limit: int = 100) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    after: str | None = None
    while True:
        page = await engine.dead_letters.scan(after, limit, closed=closed)
        assert len(page.items) <= limit
        found += page.items
        after = page.after
        if after is None:
            return found


async def test_a_letter_is_kept_as_it_is(engine: Engine) -> None:
    decoded, raw = letter(), letter(None)
    await engine.dead_letters.add([decoded, raw])
    assert await engine.dead_letters.get(decoded.id) == decoded
    assert await engine.dead_letters.get(raw.id) == raw
    assert await engine.dead_letters.get(uuid.uuid4()) is None
    await engine.dead_letters.add([])


async def test_a_document_has_one_open_letter(engine: Engine) -> None:
    first, second = letter(at=START), letter(revision=128, at=START + 9, message="still too long")
    await engine.dead_letters.add([first])
    await engine.dead_letters.add([second])
    kept = second.model_copy(update={"id": first.id, "first_at": START, "attempts": 2})
    assert await letters(engine) == [kept]
    assert await engine.dead_letters.get(second.id) is None


async def test_letters_of_one_batch_and_bytes_that_are_no_event(engine: Engine) -> None:
    await engine.dead_letters.add([letter(), letter(), letter(None), letter(None)])
    found = await letters(engine)
    assert sorted((each.document is None, each.attempts) for each in found) == [(False, 2), (True, 1), (True, 1)]


async def test_the_same_letter_twice_is_one(engine: Engine) -> None:
    for given_ in (letter(), letter(None)):
        await engine.dead_letters.add([given_])
        await engine.dead_letters.close([given_.id], Closed.DISCARDED)
        await engine.dead_letters.add([given_])
        assert (await engine.dead_letters.get(given_.id) or given_).closed is Closed.DISCARDED
    assert await letters(engine) == []


async def test_closing_says_why_and_happens_once(engine: Engine, now: ManualClock) -> None:
    first, second = letter("a"), letter("b")
    await engine.dead_letters.add([first, second])
    assert await engine.dead_letters.close([first.id, uuid.uuid4()], Closed.DISCARDED, "spam") == 1
    assert await engine.dead_letters.close([first.id, second.id], Closed.REPLAYED) == 1
    closed = await engine.dead_letters.get(first.id)
    assert closed is not None
    assert (closed.closed, closed.note) == (Closed.DISCARDED, "spam")
    assert closed.closed_at is not None
    assert await letters(engine) == []
    assert {each.id for each in await letters(engine, closed=True)} == {first.id, second.id}


async def test_a_closed_letter_does_not_stand_in_for_a_new_one(engine: Engine) -> None:
    first, second = letter(), letter()
    await engine.dead_letters.add([first])
    await engine.dead_letters.close([first.id], Closed.REPLAYED)
    await engine.dead_letters.add([second])
    assert await letters(engine) == [second]
    assert len(await letters(engine, closed=True)) == 2


async def test_what_was_handled_after_all_is_resolved(engine: Engine) -> None:
    a, b, c = letter("a", revision=64), letter("b", revision=128), letter("c", revision=64)
    await engine.dead_letters.add([a, b, c, letter(None)])
    assert await engine.dead_letters.resolve({ref("a").document: 64, ref("b").document: 64, uuid.uuid4(): 640}) == 1
    assert await engine.dead_letters.resolve({ref("a").document: 640}) == 0
    assert await engine.dead_letters.resolve({}) == 0
    assert {each.key for each in await letters(engine)} == {"b", "c", None}
    resolved = await engine.dead_letters.get(a.id)
    assert resolved is not None
    assert resolved.closed is Closed.RESOLVED


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_letters_come_oldest_first(engine: Engine, limit: int) -> None:
    given_ = [letter(f"n{n}", at=START + n // 2) for n in range(10)]
    await engine.dead_letters.add(given_[::-1])
    found = await letters(engine, limit=limit)
    assert [each.first_at for each in found] == [each.first_at for each in given_]
    assert {each.id for each in found} == {each.id for each in given_}


async def test_a_foreign_cursor_is_refused(engine: Engine) -> None:
    await engine.documents.write([write(ref(f"n{n}"), 64) for n in range(3)])
    foreign = (await engine.documents.scan("acme", (), None, 1)).after
    for cursor in ("garbage", "", "WzEsInp6Il0=", foreign):
        with pytest.raises(InvalidQuery):
            await engine.dead_letters.scan(cursor, 10)


async def test_everything_at_once(engine: Engine) -> None:
    """Parts of one engine do not wait for each other for ever."""
    outcomes, *_ = await asyncio.gather(
        engine.documents.write([write(ref(), 64)]),
        engine.outbox.append([event()]),
        engine.leases.acquire(0, "me", SECOND),
        engine.dead_letters.add([letter()]),
        engine.documents.read([ref()]),
        engine.expire(START),
        engine.clock(),
    )
    assert list(outcomes) == [Stored()]
