"""Servers that are not there, do not answer, or say no: what the caller is told, and that nothing is lost."""

import asyncio
import time
from pathlib import Path

import pytest

from syncline_contracts.errors import ConfigurationError, StorageUnavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.cql import open_cql, outbox
from syncline_store.engines.protocol import Stored, Unknown
from syncline_store.settings.cql import TlsSettings
from tests.integration.cql import Opening, ask, events, frozen, keyspace, opening, until
from tests.parts.servers import cql
from tests.parts.servers.maven import free_ports
from tests.parts.writes import ref, write

__all__ = ["keyspace", "opening"]


async def test_nobody_listens(keyspace: str) -> None:
    (port,) = free_ports(1)
    with pytest.raises(StorageUnavailable, match="no server answers") as caught:
        await open_cql(cql.settings(keyspace, port=port, connect_timeout=2), clock=Clock())
    assert str(port) in str(caught.value)


async def test_a_wrong_password_is_told_at_once(keyspace: str) -> None:
    if cql.server().process is None:
        pytest.skip("the server may let everybody in")
    started = time.monotonic()
    with pytest.raises(ConfigurationError, match="user and password") as caught:
        await open_cql(cql.settings(keyspace, user="cassandra", password="wrong-one"), clock=Clock())  # noqa: S106 - it is wrong
    assert time.monotonic() - started < 10
    assert "wrong-one" not in str(caught.value)


async def test_no_password_where_one_is_needed(keyspace: str) -> None:
    if cql.server().process is None:
        pytest.skip("the server may let everybody in")
    with pytest.raises(ConfigurationError, match="user and password"):
        await open_cql(cql.settings(keyspace, user=None, password=None), clock=Clock())


async def test_over_tls_with_a_certificate_that_is_vouched_for(keyspace: str) -> None:
    tls = TlsSettings(ca=encrypted_server())
    async with await open_cql(cql.settings(keyspace, tls=tls), clock=Clock()) as engine:
        await engine.migrate()
        assert await engine.documents.write([write(ref("secret"), 64)]) == [Stored()]
        assert await engine.documents.read([ref("secret")]) != [None]


async def test_a_certificate_that_nobody_vouches_for_is_told_at_once(keyspace: str) -> None:
    encrypted_server()
    started = time.monotonic()
    with pytest.raises(ConfigurationError, match="tls"):
        await open_cql(cql.settings(keyspace, tls=TlsSettings()), clock=Clock())
    assert time.monotonic() - started < 10


def encrypted_server() -> Path:
    """The file that vouches for the server."""
    ca_file = cql.server().ca_file
    if ca_file is None:
        pytest.skip("this server's certificate is not known here")
    return ca_file


async def test_tls_where_the_server_has_none(keyspace: str) -> None:
    """It answers a greeting that it does not understand as a server does that speaks CQL alone."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x85\x00\x00\x00\x00\x00\x00\x00\x00")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises((ConfigurationError, StorageUnavailable), match="cql://"):
            await open_cql(cql.settings(keyspace, port=port, tls=TlsSettings(check_hostname=False), connect_timeout=2), clock=Clock())


async def test_too_few_replicas_write_nothing_and_say_so(keyspace: str, opening: Opening) -> None:
    engine = await opening()
    await engine.documents.write([write(ref("first"), 64)])
    ((local_dc,),) = ask("SELECT data_center FROM system.local")
    ask(f"ALTER KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', '{local_dc}': 3}}")
    with pytest.raises(StorageUnavailable, match="too few replicas"):
        await engine.documents.write([write(ref(), 64)])
    with pytest.raises(StorageUnavailable, match="too few replicas"):
        await engine.documents.read([ref()])
    ask(f"ALTER KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', '{local_dc}': 1}}")
    assert await engine.documents.read([ref("first"), ref()]) == [(await engine.documents.read([ref("first")]))[0], None]


async def test_a_write_without_an_answer_is_unknown_and_can_be_repeated_as_it_is(opening: Opening) -> None:
    engine = await opening(request_timeout=1)
    await engine.documents.write([write(ref("warm"), 64) for _ in range(8)])
    made = [write(ref(f"n{n}"), 128) for n in range(40)]
    for _ in range(engine.outbox.shards):  # so that each shard's minute is open
        await engine.outbox.append([made[0].event])
    with frozen():
        outcomes = await engine.documents.write(made)
        with pytest.raises(StorageUnavailable):
            await engine.documents.read([ref("warm")])
    assert {type(outcome) for outcome in outcomes} == {Unknown}

    async def stored() -> bool:
        return list(await engine.documents.write(made)) == [Stored()] * len(made)

    await until(stored)
    rows = await engine.documents.read([each.ref for each in made])
    assert [row and (row.revision, row.write_id) for row in rows] == [(128, each.event.id) for each in made]
    assert {row.event.id for row in await events(engine)} >= {each.event.id for each in made}


async def test_statements_that_were_never_asked_end_within_the_time_out_too(opening: Opening) -> None:
    """They are prepared first, for which the driver has a time-out of its own, of 10 s; and none waits for another one's."""
    engine = await opening(request_timeout=1)
    await engine.namespaces.get("acme", ("notes",))
    with frozen():
        async with asyncio.timeout(5):
            answers = await asyncio.gather(
                engine.documents.read([ref()]),
                engine.documents.read_serial([ref()]),
                engine.leases.marks(),
                engine.dead_letters.scan(None, 10),
                return_exceptions=True,
            )
    assert {type(answer) for answer in answers} == {StorageUnavailable}


async def test_a_write_that_took_long_has_a_fresh_row(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first row may have landed behind every overlap of the relay."""
    engine = await opening(shards=1)
    await engine.documents.write([write(ref("warm"), 64)])
    made = write(ref(), 128)
    monkeypatch.setattr(outbox, "PUNCTUAL", 1.0)
    with frozen():
        writing = asyncio.create_task(engine.documents.write([made]))
        await asyncio.sleep(1.5)
    assert await writing == [Stored()]
    mine = [row.pos.at for row in await events(engine) if row.event.id == made.event.id]
    assert len(mine) == 2
    assert mine[1] - mine[0] > 1_000_000


async def test_writes_that_are_always_slow_are_not_told_as_stored(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await opening()
    monkeypatch.setattr(outbox, "PUNCTUAL", -1.0)
    (outcome,) = await engine.documents.write([write(ref(), 64)])
    assert isinstance(outcome, Unknown)
    assert "relay could miss" in outcome.problem
    with pytest.raises(StorageUnavailable, match="relay could miss"):
        await engine.outbox.append([write(ref(), 64).event])


async def test_a_lease_ends_by_the_servers_clock(opening: Opening) -> None:
    engine = await opening()
    mine = await engine.leases.acquire(0, "me", 1_000_000)
    assert mine is not None

    async def taken() -> bool:
        lease = await engine.leases.acquire(0, "you", 1_000_000)
        return lease is not None and lease.epoch == mine.epoch + 1

    await until(taken)
    assert await engine.leases.renew(mine, 1_000_000) is None


async def test_a_closed_engine_says_so(opening: Opening) -> None:
    engine = await opening()
    await engine.aclose()
    with pytest.raises(StorageUnavailable, match="closed"):
        await engine.documents.read([ref()])
    with pytest.raises(StorageUnavailable, match="closed"):
        await engine.documents.write([write(ref(), 64)])


async def test_the_clock_is_the_servers(opening: Opening) -> None:
    engine = await opening(clock=Clock(now=lambda: 0))
    assert abs(await engine.clock() - time.time_ns() // 1_000) < 5_000_000
