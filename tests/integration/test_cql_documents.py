"""What the CQL engine does beyond the contract: sizes, lives, tokens, and the servers' order."""

import asyncio
import random

import pytest

from syncline_contracts.errors import StorageUnavailable
from syncline_contracts.event import Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER, now_us
from syncline_store.document import Row
from syncline_store.engines.cql import CqlEngine
from syncline_store.engines.cql.partition import LOWEST, SEGMENT_SHIFT
from syncline_store.engines.cql.position import floor, position
from syncline_store.engines.protocol import NamespaceSettings, Pos, Stored
from tests.integration.cql import Opening, ask, events, keyspace, opening, until
from tests.parts.clock import SECOND, START
from tests.parts.writes import delete, ref, write

__all__ = ["keyspace", "opening"]


async def one(engine: CqlEngine, of: Ref) -> Row | None:
    (row,) = await engine.documents.read([of])
    return row


def text(size: int) -> dict[str, str]:
    return {"text": "x" * size}


# ------------------------------------------------------------------ sizes


async def test_batches_up_to_the_limit_are_taken_by_the_servers(opening: Opening) -> None:
    engine = await opening()
    sizes = [39_000, 20_000, 19_000, 13_000, 13_000, 13_000, *[2_000] * 40, *[10] * 100]
    writes = [write(ref(f"n{n}", ("ns", "p" * 200)), 64, text(size)) for n, size in enumerate(sizes)]
    assert list(await engine.documents.write(writes)) == [Stored()] * len(writes)
    rows = await engine.documents.read([each.ref for each in writes])
    assert [row and row.value for row in rows] == [each.value for each in writes]


async def test_a_document_that_is_too_large_for_any_batch_is_stored_with_its_event(opening: Opening) -> None:
    engine = await opening()
    writes = [write(ref("small"), 64), write(ref("large"), 64, text(900_000)), write(ref("after"), 64)]
    assert list(await engine.documents.write(writes)) == [Stored()] * 3
    assert [row and row.value for row in await engine.documents.read([each.ref for each in writes])] == [each.value for each in writes]
    assert {row.event.id for row in await events(engine)} == {each.event.id for each in writes}


async def test_a_server_with_a_smaller_limit_than_we_were_told(opening: Opening) -> None:
    """Cassandra's own is 50 KiB: documents go alone then, and one that is too large for that outbox-first."""
    engine = await opening(batch_bytes=1_000_000)
    writes = [write(ref(f"n{n}"), 64, text(size)) for n, size in enumerate((30_000, 30_000, 60_000, 100))]
    assert list(await engine.documents.write(writes)) == [Stored()] * 4
    assert all(await engine.documents.read([each.ref for each in writes]))
    assert {row.event.id for row in await events(engine)} == {each.event.id for each in writes}


async def test_a_key_that_no_server_takes_is_refused_alone(opening: Opening) -> None:
    engine = await opening()
    outcomes = await engine.documents.write([write(ref("a"), 64), write(ref("k" * 70_000), 64), write(ref("b"), 64)])
    assert [type(outcome).__name__ for outcome in outcomes] == ["Stored", "Refused", "Stored"]
    assert {row.event.key for row in await events(engine)} == {"a", "b"}


# ------------------------------------------------------------------ lives


async def test_rows_end_by_their_ttl_and_leave_nothing_to_see(opening: Opening) -> None:
    engine = await opening()
    await engine.documents.write([write(ref("gone"), 64), write(ref("ever"), 64), write(ref("short"), 64, ttl=1)])
    await engine.documents.write([delete(ref("gone"), 128, ttl=1)])

    async def ended() -> bool:
        return await engine.documents.read([ref("gone"), ref("short")]) == [None, None]

    await until(ended)
    page = await engine.documents.scan("acme", (), None, 10)
    assert [row.ref.key for row in page.items] == ["ever"]
    heads = [block async for block in engine.documents.heads(0, 4095)]
    assert [head.key for block in heads for head in block.refs] == ["ever"]
    assert await engine.documents.estimate() == 1


async def test_a_refresh_extends_the_row_in_the_storage(keyspace: str, opening: Opening) -> None:
    """At the same timestamp the longer life wins, cell by cell: all of them."""
    engine = await opening()
    await engine.documents.write([write(ref(), 64, {"v": 1}, expires_at=START + 20 * SECOND, ttl=20)])
    await engine.documents.write([write(ref(), 64, {"v": 1}, expires_at=START + 600 * SECOND, ttl=600, kind=Kind.TOUCH)])
    ((*lives,),) = ask(
        f"SELECT TTL(value), TTL(deleted), TTL(content_hash), TTL(write_id), TTL(expires_at), TTL(index_spec) FROM {keyspace}.documents"
    )
    assert min(lives) > 500
    row = await one(engine, ref())
    assert row is not None
    assert (row.revision, row.expires_at, row.created_at) == (64, START + 600 * SECOND, START)


async def test_the_first_writes_time_is_kept_without_a_read(opening: Opening) -> None:
    engine = await opening()
    for revision, first_at in ((128, 5), (64, 3), (256, 9), (192, 7)):
        await engine.documents.write([write(ref(), revision, first_at=START + first_at)])
    row = await one(engine, ref())
    assert row is not None
    assert (row.created_at, row.updated_at, row.revision) == (START + 3, START + 9, 256)


async def test_a_life_beyond_what_the_servers_can_count_is_left_to_the_readers(keyspace: str, opening: Opening) -> None:
    engine = await opening()
    assert await engine.documents.write([write(ref(), 64, expires_at=NEVER - 1, ttl=40 * 365 * 86_400)]) == [Stored()]
    ((life,),) = ask(f"SELECT TTL(value) FROM {keyspace}.documents")
    row = await one(engine, ref())
    assert row is not None
    assert (life, row.expires_at) == (None, NEVER - 1)


# ------------------------------------------------------------------ tokens and order


async def test_segments_are_the_servers_tokens(keyspace: str, opening: Opening) -> None:
    engine = await opening()
    rng = random.Random(3)
    names = ["a", "ä", "\U0001f600", "x" * 250, "a\x01", "\x00"]
    refs = [Ref(rng.choice(names), (rng.choice(names), rng.choice(names)), f"{rng.choice(names)}{n}") for n in range(60)]
    await engine.namespaces.ensure(refs[0].tenant, refs[0].namespace, NamespaceSettings(buckets=100))
    await engine.documents.write([write(to, 64) for to in refs])
    found = ask(f"SELECT key, TOKEN(tenant, namespace, bucket) FROM {keyspace}.documents")
    by_key = {key: (token - LOWEST) >> SEGMENT_SHIFT for key, token in found}
    assert {to.key: engine.documents.segment(to) for to in refs} == by_key


async def test_a_process_that_knows_nothing_finds_the_documents(opening: Opening) -> None:
    engine, later = await opening(), await opening()
    await engine.namespaces.ensure("acme", ("notes",), NamespaceSettings(buckets=64))
    refs = [ref(f"n{n}") for n in range(200)]
    await engine.documents.write([write(to, 64) for to in refs])
    assert all(await later.documents.read(refs))
    assert [later.documents.segment(to) for to in refs] == [engine.documents.segment(to) for to in refs]


async def test_the_servers_sort_places_as_positions_sort(keyspace: str, opening: Opening) -> None:
    await opening()
    rng = random.Random(5)
    places = {Pos(START + rng.randrange(3), rng.randrange(2**62).to_bytes(8, "big")) for _ in range(300)}
    session_rows = [floor(pos) for pos in places]
    for place in session_rows:
        ask(f"INSERT INTO {keyspace}.outbox (shard, minute, pos) VALUES (0, 0, %s)", place)
    stored = [position(place) for (place,) in ask(f"SELECT pos FROM {keyspace}.outbox WHERE shard = 0 AND minute = 0")]
    assert stored == sorted(places)


async def test_rows_of_far_minutes_are_found_without_looking_at_those_between(opening: Opening) -> None:
    engine = await opening(shards=1)
    now = now_us()
    dues = [now + minutes * 60 * SECOND for minutes in (-4_000, -3_999, -70, -1, 0, 1, 500)]
    for due in dues:
        await engine.outbox.append([write(ref(), 64).event], due)
    asked = 0
    run = engine.outbox._session.run

    async def counting(*arguments: object) -> list[object]:
        nonlocal asked
        asked += 1
        return await run(*arguments)

    engine.outbox._session.run = counting
    rows = await engine.outbox.read(0, Pos(0), Pos(NEVER), 100)
    assert [row.pos.at for row in rows] == dues
    assert asked == 1 + len(dues)
    assert [row.pos.at for row in await engine.outbox.read(0, Pos(dues[1], b"\xff"), Pos(dues[4] + 1), 2)] == dues[2:4]


async def test_a_walk_that_is_given_up_leaves_nothing_under_way(opening: Opening) -> None:
    engine = await opening()
    await engine.documents.write([write(ref(f"n{n}"), 64) for n in range(300)])
    walk = engine.documents.heads(0, 4095, 10)
    first = await anext(walk)
    await walk.aclose()
    assert 0 < len(first) <= 10


async def test_large_documents_are_estimated_without_reading_them_all(opening: Opening) -> None:
    engine = await opening()
    await engine.documents.write([write(ref(f"n{n}", (f"ns{n % 50}",)), 64) for n in range(1_000)])
    assert await engine.documents.estimate() == 1_000


# ------------------------------------------------------------------ reads that are shared


async def test_a_key_that_no_server_takes_spoils_nobody_elses_read(opening: Opening) -> None:
    engine = await opening()
    await engine.documents.write([write(ref(f"n{n}"), 64) for n in range(20)])
    wanted = [ref("k" * 70_000), *(ref(f"n{n}") for n in range(20)), ref("absent"), ref("n1", ("never",))]
    found = await asyncio.gather(*(one(engine, each) for each in wanted))
    assert [row and row.ref.key for row in found] == [None, *(f"n{n}" for n in range(20)), None, None]


async def test_a_get_sees_what_was_written_before_it_whoever_reads_meanwhile(opening: Opening) -> None:
    """A shared read is one that begins after each of those who share it has asked."""
    engine = await opening()

    async def reads_its_writes(number: int) -> None:
        for revision in range(64, 64 * 20, 64):
            await engine.documents.write([write(ref(f"n{number}"), revision)])
            row = await one(engine, ref(f"n{number}"))
            assert row is not None
            assert row.revision == revision

    await asyncio.gather(*(reads_its_writes(number) for number in range(32)))


async def test_closing_answers_the_reads_under_way(opening: Opening) -> None:
    engine = await opening()
    await engine.documents.write([write(ref(f"n{n}"), 64) for n in range(50)])
    reads = [asyncio.create_task(one(engine, ref(f"n{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    await engine.aclose()
    assert all(await asyncio.gather(*reads))
    with pytest.raises(StorageUnavailable, match="closed"):
        await one(engine, ref("n1"))
