"""What every storage engine promises of documents, namespaces and itself. The outbox and what belongs to it: test_engine_outbox."""

import asyncio
import itertools
import random
import uuid

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncline_contracts.errors import InvalidQuery
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER
from syncline_store.document import INDEX_NOT, NO_CONTENT, Row
from syncline_store.engines.protocol import Engine, NamespaceSettings, Page, Pos, Stored
from syncline_store.filters.declared import FieldType
from tests.contract.engines import Implementation
from tests.parts.clock import SECOND, START, ManualClock
from tests.parts.writes import delete, ref, write


async def one(engine: Engine, of: Ref) -> Row | None:
    (row,) = await engine.documents.read([of])
    return row


async def there(engine: Engine, of: Ref) -> Row:
    row = await one(engine, of)
    assert row is not None
    return row


async def listed(engine: Engine, prefix: tuple[str, ...], limit: int = 100, tenant: str = "acme") -> list[Row]:
    rows: list[Row] = []
    after: str | None = None
    while True:
        page: Page[Row] = await engine.documents.scan(tenant, prefix, after, limit)
        assert len(page.items) <= limit
        rows += page.items
        after = page.after
        if after is None:
            return rows


# ------------------------------------------------------------------ writing and reading


async def test_what_was_written_is_read(engine: Engine) -> None:
    made = write(
        ref(), 640, {"text": "hello", "n": [1, None, "ü"]}, expires_at=START + 90 * SECOND, ttl=90, first_at=START, index_spec='["text"]'
    )
    assert await engine.documents.write([made]) == [Stored()]
    assert await one(engine, ref()) == Row(
        ref=ref(),
        revision=640,
        value=made.value,
        content_hash=made.content_hash,
        write_id=made.event.id,
        deleted=False,
        index_spec='["text"]',
        expires_at=START + 90 * SECOND,
        created_at=START,
        updated_at=START,
    )


async def test_rows_come_in_the_order_asked(engine: Engine) -> None:
    refs = [ref(f"n{n}") for n in range(5)]
    await engine.documents.write([write(refs[n], 64 * n) for n in (4, 0, 2)])
    rows = await engine.documents.read([*reversed(refs), refs[0]])
    assert [row and row.ref for row in rows] == [refs[4], None, refs[2], None, refs[0], refs[0]]


async def test_nothing_to_do_is_no_error(engine: Engine) -> None:
    assert list(await engine.documents.write([])) == []
    assert list(await engine.documents.read([])) == []
    await engine.outbox.append([])


async def test_a_deletion_leaves_a_tombstone(engine: Engine) -> None:
    await engine.documents.write([write(ref(), 64)])
    await engine.documents.write([delete(ref(), 128)])
    row = await there(engine, ref())
    assert (row.deleted, row.value, row.content_hash, row.revision) == (True, None, NO_CONTENT, 128)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_the_greatest_revision_wins_in_any_order(engine: Engine, order: tuple[int, ...]) -> None:
    writes = [
        write(ref(), 64, {"v": 1}, first_at=START + 1),
        write(ref(), 128, {"v": 2}, first_at=START + 2),
        delete(ref(), 192, first_at=START + 3),
        write(ref(), 256, {"v": 4}, first_at=START + 4),
    ]
    for position in order:
        assert await engine.documents.write([writes[position]]) == [Stored()]
    row = await there(engine, ref())
    assert (row.revision, row.value, row.deleted, row.write_id, row.updated_at) == (256, '{"v":4}', False, writes[3].event.id, START + 4)
    assert row.created_at == START + 1, "the first write's, deletions between included"


async def test_one_batch_may_hold_a_document_several_times(engine: Engine) -> None:
    writes = [write(ref(), revision, {"v": revision}) for revision in (128, 256, 64)]
    assert await engine.documents.write(writes) == [Stored()] * 3
    assert (await there(engine, ref())).value == '{"v":256}'
    assert sorted(event.revision for event in await all_events(engine)) == [64, 128, 256]


async def test_the_same_revision_again_changes_nothing(engine: Engine, implementation: Implementation) -> None:
    first = write(ref(), 64, {"v": 1})
    await engine.documents.write([first])
    if not implementation.merges:
        await engine.documents.write([write(ref(), 64, {"v": 2}, expires_at=NEVER)])
    await engine.documents.write([first])
    row = await there(engine, ref())
    assert (row.value, row.write_id) == ('{"v":1}', first.event.id)


async def test_the_same_columns_with_a_later_expiry_extend_its_life(engine: Engine) -> None:
    first = write(ref(), 64, {"v": 1}, expires_at=START + 60 * SECOND, ttl=60)
    await engine.documents.write([first])
    later, sooner = START + 120 * SECOND, START + 30 * SECOND
    for expires_at, ttl in ((later, 120), (sooner, 30)):
        await engine.documents.write([write(ref(), 64, {"v": 1}, expires_at=expires_at, ttl=ttl, kind=Kind.TOUCH)])
    row = await there(engine, ref())
    assert (row.expires_at, row.value, row.revision, row.created_at) == (later, '{"v":1}', 64, START)


async def test_a_refresh_loses_to_a_newer_write(engine: Engine) -> None:
    await engine.documents.write([write(ref(), 64, {"v": 1}, expires_at=START + 60 * SECOND, ttl=60)])
    await engine.documents.write([write(ref(), 128, {"v": 2})])
    await engine.documents.write([write(ref(), 64, {"v": 1}, expires_at=START + 120 * SECOND, ttl=120, kind=Kind.TOUCH)])
    row = await there(engine, ref())
    assert (row.value, row.expires_at) == ('{"v":2}', NEVER)


async def test_an_expired_row_is_still_a_row(engine: Engine, now: ManualClock) -> None:
    await engine.documents.write([write(ref(), 64, expires_at=START + SECOND, ttl=3600)])
    now.forward(60)
    row = await there(engine, ref())
    assert row.gone(now())
    assert [found.ref for found in await listed(engine, ())] == [ref()]


async def test_the_outbox_row_is_written_in_every_case(engine: Engine) -> None:
    written = [write(ref(), 128), write(ref(), 64), write(ref(), 128), delete(ref(), 32)]
    for each in written:
        await engine.documents.write([each])
    assert {event.id for event in await all_events(engine)} == {each.event.id for each in written}


async def all_events(engine: Engine) -> list[ChangeEvent]:
    end = Pos(START * 2)
    return [row.event for shard in range(engine.outbox.shards) for row in await engine.outbox.read(shard, Pos(0), end, 1_000)]


@pytest.mark.parametrize("bad", ["\ud800", "ok\udfff"])
async def test_one_that_cannot_be_stored_does_not_harm_its_batch(engine: Engine, bad: str) -> None:
    broken = write(ref("bad"), 64, index_spec=bad)
    outcomes = await engine.documents.write([write(ref("a"), 64), broken, write(ref("b"), 64)])
    assert [type(outcome).__name__ for outcome in outcomes] == ["Stored", "Refused", "Stored"]
    assert await one(engine, ref("a")) is not None
    assert await one(engine, ref("b")) is not None
    assert await one(engine, ref("bad")) is None
    assert {event.key for event in await all_events(engine)} == {"a", "b"}, "neither its outbox row"


async def test_many_writers_at_once(engine: Engine) -> None:
    await asyncio.gather(*(engine.documents.write([write(ref(f"n{n % 10}"), 64 * n)]) for n in range(100)))
    rows = await engine.documents.read([ref(f"n{n}") for n in range(10)])
    assert [row and row.revision for row in rows] == [64 * (90 + n) for n in range(10)]


# ------------------------------------------------------------------ listing


async def test_namespaces_do_not_run_into_each_other(engine: Engine) -> None:
    namespaces = [("a.b", "c"), ("a", "b.c"), ("a",), ("a", "b"), ("a\x01b",), ("a\x02", "b"), ("a\x00",), ("ä",)]
    refs = [ref("k", namespace) for namespace in namespaces]
    await engine.documents.write([write(to, 64, {"n": list(to.namespace)}) for to in refs])
    rows = await engine.documents.read(refs)
    assert [row and row.ref for row in rows] == refs
    assert len({row.content_hash for row in rows if row}) == len(refs)


async def test_a_prefix_sees_what_is_below_it_and_nothing_else(engine: Engine) -> None:
    inside = [ref("k", ("user",)), ref("k", ("user", "a")), ref("k", ("user", "a", "b"))]
    outside = [ref("k", ("users",)), ref("k", ("use",)), ref("k", ("user\x02",)), ref("k", ("user",), tenant="other")]
    await engine.documents.write([write(to, 64) for to in inside + outside])
    assert [row.ref for row in await listed(engine, ("user",))] == inside
    assert [row.ref for row in await listed(engine, ("user", "a"))] == inside[1:]
    assert [row.ref for row in await listed(engine, ("nothing",))] == []
    assert len(await listed(engine, ())) == 6
    assert [row.ref for row in await listed(engine, (), tenant="other")] == outside[-1:]


@pytest.mark.parametrize("limit", [1, 3, 7, 60, 61])
async def test_pages_are_in_order_and_complete(engine: Engine, limit: int) -> None:
    keys = ["", "\x00", "a", "a\x00", "b", "Z", "é", "\U0001f600", "\uffff", "10", "9", "k\x01"]
    refs = [ref(key, namespace) for namespace in [("a",), ("a", "b"), ("a\x01",), ("aa",), ("\U0010ffff",)] for key in keys]
    shuffled = random.Random(1).sample(refs, len(refs))
    await engine.documents.write([write(to, 64) for to in shuffled])
    assert [row.ref for row in await listed(engine, (), limit)] == sorted(refs)
    below_a = [each for each in sorted(refs) if each.namespace[0] == "a"]
    assert [row.ref for row in await listed(engine, ("a",), limit)] == below_a


async def test_what_is_written_while_paging_appears_in_its_place(engine: Engine) -> None:
    await engine.documents.write([write(ref(f"n{n}"), 64) for n in (1, 3, 5, 7)])
    first = await engine.documents.scan("acme", (), None, 2)
    await engine.documents.write([write(ref("n2"), 64), write(ref("n6"), 64)])
    rest = await engine.documents.scan("acme", (), first.after, 10)
    assert [row.ref.key for row in first.items] == ["n1", "n3"]
    assert [row.ref.key for row in rest.items] == ["n5", "n6", "n7"]
    assert rest.after is None


async def test_a_cursor_that_was_tampered_with_is_refused(engine: Engine) -> None:
    await engine.documents.write([write(ref(f"n{n}", ("user",)), 64) for n in range(3)])
    await engine.documents.write([write(ref(f"n{n}", ("admin",)), 64) for n in range(3)])
    foreign = (await engine.documents.scan("acme", ("admin",), None, 1)).after
    for cursor in ("", "garbage", "W10=", "ä", "WzEsMl0=", foreign):
        with pytest.raises(InvalidQuery):
            await engine.documents.scan("acme", ("user",), cursor, 10)


# ------------------------------------------------------------------ heads


async def walk(engine: Engine, first: int, last: int, block: int = 10_000) -> dict[uuid.UUID, tuple[object, ...]]:
    found: dict[uuid.UUID, tuple[object, ...]] = {}
    async for heads in engine.documents.heads(first, last, block):
        assert 0 < len(heads) <= block
        assert len(heads.refs) == len(heads)
        ids = heads.ids.astype(">u8").tobytes()
        hashes = heads.content_hashes.astype(">u8").tobytes()
        for n in range(len(heads)):
            at = slice(16 * n, 16 * n + 16)
            document = uuid.UUID(bytes=ids[at])
            assert document not in found
            assert heads.refs[n].document == document
            found[document] = (
                heads.refs[n],
                int(heads.revisions[n]),
                hashes[at],
                int(heads.expires_at[n]),
                bool(heads.deleted[n]),
                bool(heads.indexed[n]),
                int(heads.segments[n]),
            )
    return found


async def test_heads_are_what_was_written(engine: Engine) -> None:
    writes = [write(ref(f"n{n}"), 64 * n, expires_at=NEVER - n, ttl=9_999_999) for n in range(300)]
    writes += [delete(ref(f"d{n}"), 64 * n) for n in range(20)]
    writes += [write(ref(f"x{n}", tenant="other"), 64, index_spec=INDEX_NOT) for n in range(20)]
    await engine.documents.write(writes)
    expected = {
        each.ref.document: (
            each.ref,
            each.revision,
            each.content_hash,
            each.event.expires_at,
            each.value is None,
            each.index_spec != INDEX_NOT,
            engine.documents.segment(each.ref),
        )
        for each in writes
    }
    for block in (7, 10_000):
        assert await walk(engine, 0, 4095, block) == expected


async def test_a_walk_of_some_segments_finds_their_documents_only(engine: Engine) -> None:
    refs = [ref(f"n{n}") for n in range(400)]
    await engine.documents.write([write(to, 64) for to in refs])
    cuts = [0, 1, 1000, 2047, 4095, 4096]
    parts = [await walk(engine, first, after - 1, 50) for first, after in itertools.pairwise(cuts)]
    assert sum(len(part) for part in parts) == len(refs)
    for (first, after), part in zip(itertools.pairwise(cuts), parts, strict=True):
        assert {found[0] for found in part.values()} == {to for to in refs if first <= engine.documents.segment(to) < after}


async def test_columns_have_the_promised_types(engine: Engine) -> None:
    await engine.documents.write([write(ref(), 64)])
    (heads,) = [block async for block in engine.documents.heads(0, 4095)]
    assert [heads.ids.dtype, heads.content_hashes.dtype, heads.revisions.dtype, heads.expires_at.dtype] == [
        np.uint64,
        np.uint64,
        np.int64,
        np.int64,
    ]
    assert [heads.deleted.dtype, heads.indexed.dtype, heads.segments.dtype] == [np.bool_, np.bool_, np.int16]
    assert heads.ids.shape == heads.content_hashes.shape == (1, 2)
    assert [block async for block in engine.documents.heads(0, 4095, 10_000) if not len(block)] == []


async def test_the_estimate_is_near(engine: Engine) -> None:
    assert await engine.documents.estimate() == 0
    await engine.documents.write([write(ref(f"n{n}"), 64) for n in range(50)])
    assert 25 <= await engine.documents.estimate() <= 100


# ------------------------------------------------------------------ namespaces


async def test_the_first_writer_settles_a_namespace(engine: Engine) -> None:
    first, second = NamespaceSettings(buckets=4, fields=("text", "author.name")), NamespaceSettings(buckets=16)
    assert await engine.namespaces.get("acme", ("notes",)) is None
    assert await engine.namespaces.ensure("acme", ("notes",), first) == first
    assert await engine.namespaces.ensure("acme", ("notes",), second) == first
    assert await engine.namespaces.ensure("other", ("notes",), second) == second
    assert await engine.namespaces.get("acme", ("notes",)) == first


async def test_settling_a_namespace_at_once_gives_all_the_same(engine: Engine) -> None:
    wanted = [NamespaceSettings(buckets=n) for n in range(1, 9)]
    given_ = await asyncio.gather(*(engine.namespaces.ensure("acme", ("notes",), each) for each in wanted))
    assert len(set(given_)) == 1


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_namespaces_are_listed_in_order(engine: Engine, limit: int) -> None:
    namespaces = [("user", "b"), ("users",), ("user",), ("user", "a", "x"), ("admin",)]
    for namespace in namespaces:
        await engine.namespaces.ensure("acme", namespace, NamespaceSettings())
    await engine.namespaces.ensure("other", ("user", "zzz"), NamespaceSettings())
    for prefix in ((), ("user",), ("user", "a"), ("nothing",)):
        found: list[tuple[str, ...]] = []
        after: str | None = None
        while True:
            page = await engine.namespaces.list("acme", prefix, after, limit)
            found += page.items
            after = page.after
            if after is None:
                break
        assert found == sorted(namespace for namespace in namespaces if namespace[: len(prefix)] == prefix)
    with pytest.raises(InvalidQuery):
        await engine.namespaces.list("acme", (), "garbage", 10)


async def test_what_namespaces_declare_is_read_back_and_listed_once_for_each_difference(engine: Engine) -> None:
    prices = NamespaceSettings(fields=("text",), filterable=(("at", None), ("price", FieldType.FLOAT)))
    none = NamespaceSettings(filterable=())
    for number in range(20):
        await engine.namespaces.ensure("acme", ("a", f"prices{number}"), prices)
    await engine.namespaces.ensure("acme", ("a", "x"), none)
    await engine.namespaces.ensure("acme", ("ab",), NamespaceSettings(fields=("{text",)))
    await engine.namespaces.ensure("other", ("a",), NamespaceSettings(filterable=(("theirs", None),)))
    assert await engine.namespaces.get("acme", ("a", "prices7")) == prices
    assert await engine.namespaces.get("acme", ("a", "x")) == none
    for prefix, expected in (((), {prices, none}), (("a",), {prices, none}), (("a", "x"), {none}), (("ab",), set()), (("b",), set())):
        found = await engine.namespaces.declarations("acme", prefix)
        assert {settings for _, settings in found} == expected
        assert len(found) == len(expected)
        assert all(namespace[: len(prefix)] == prefix for namespace, _ in found)


# ------------------------------------------------------------------ the engine itself


async def test_migrating_again_keeps_everything(engine: Engine) -> None:
    await engine.documents.write([write(ref(), 64)])
    await asyncio.gather(engine.migrate(), engine.migrate())
    assert await one(engine, ref()) is not None


async def test_two_engines_on_one_database(engine: Engine, another: Engine) -> None:
    both = [engine, another]
    await asyncio.gather(*(both[n % 2].documents.write([write(ref(f"n{n}"), 64 * n)]) for n in range(60)))
    for each in both:
        assert len(await listed(each, ())) == 60
        assert len(await all_events(each)) == 60
    await another.documents.write([write(ref("n1"), 6400, {"by": "another"})])
    assert (await there(engine, ref("n1"))).value == '{"by":"another"}'


async def test_the_clock_is_not_behind_the_newest_revision(engine: Engine, implementation: Implementation, now: ManualClock) -> None:
    if implementation.own_time:
        pytest.skip("its server has a clock")
    assert await engine.clock() == now()
    await engine.documents.write([write(ref(), START + 7 * SECOND), write(ref("n2"), 64)])
    assert await engine.clock() == START + 7 * SECOND
    now.forward(8)
    assert await engine.clock() == now()


async def test_rows_end_when_their_life_ends(engine: Engine, implementation: Implementation, now: ManualClock) -> None:
    if implementation.own_time:
        pytest.skip("its server decides when")
    await engine.documents.write(
        [write(ref("ever"), 64), delete(ref("deleted"), 64, ttl=600), write(ref("expiring"), 64, expires_at=now() + 60 * SECOND, ttl=300)]
    )
    assert await engine.expire(now.forward(299)) == 0
    assert await engine.expire(now.forward(1)) == 1
    assert [row.ref.key for row in await listed(engine, ())] == ["deleted", "ever"]
    assert await engine.expire(now.forward(300)) == 1
    assert [row.ref.key for row in await listed(engine, ())] == ["ever"]
    assert len(await all_events(engine)) == 3
    assert await engine.expire(now.forward(3 * 24 * 3600)) == 3
    assert await all_events(engine) == []


async def test_an_extended_life_ends_later(engine: Engine, implementation: Implementation, now: ManualClock) -> None:
    if implementation.own_time:
        pytest.skip("its server decides when")
    await engine.documents.write([write(ref(), 64, {"v": 1}, expires_at=now() + 60 * SECOND, ttl=60)])
    now.forward(30)
    await engine.documents.write([write(ref(), 64, {"v": 1}, expires_at=now() + 60 * SECOND, ttl=60, kind=Kind.TOUCH)])
    assert await engine.expire(now.forward(59)) == 0
    assert await engine.expire(now.forward(1)) == 1


async def test_many_rows_end_in_one_call(engine: Engine, implementation: Implementation, now: ManualClock) -> None:
    if implementation.own_time:
        pytest.skip("its server decides when")
    await engine.documents.write([delete(ref(f"n{n}"), 64, ttl=60) for n in range(1_234)])
    assert await engine.expire(now.forward(60)) == 1_234
    assert await listed(engine, ()) == []


# ------------------------------------------------------------------ any history of one document

_histories = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["put", "other", "delete"]), st.sampled_from([NEVER, START + SECOND, START + 9 * SECOND])),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=_histories, number=st.integers(0, 10**12))
async def test_any_history_ends_in_its_latest_state(
    engine: Engine, implementation: Implementation, history: list[tuple[int, str, int]], number: int
) -> None:
    """Of the writes with the greatest revision the first one's columns stand, extended by those that are alike."""
    if implementation.merges:
        first = {each[0]: each for each in reversed(history)}
        history = [first[each[0]] for each in history]
    to = ref(f"h{number}-{uuid.uuid4()}")
    for revision, what, expires_at in history:
        await engine.documents.write(
            [delete(to, revision) if what == "delete" else write(to, revision, {"v": what}, expires_at=expires_at, ttl=10**6)]
        )
    latest = max(revision for revision, _, _ in history)
    of_it = [(what, NEVER if what == "delete" else expires_at) for revision, what, expires_at in history if revision == latest]
    expiry = max(expires_at for what, expires_at in of_it if what == of_it[0][0])
    row = await there(engine, to)
    assert (row.revision, row.deleted, row.expires_at) == (latest, of_it[0][0] == "delete", expiry)
    if not row.deleted:
        assert row.value == f'{{"v":"{of_it[0][0]}"}}'
