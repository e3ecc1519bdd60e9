"""Connections on the event loop: what is sent goes out in order and by few system calls, and whoever waits is told of the end."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cassandra.connection import ConnectionShutdown

from syncline_store.engines.cql.on_loop import LoopConnection, connection_on


class Counting:
    """A socket that counts what it is given to send."""

    def __init__(self, own: socket.socket) -> None:
        self._own = own
        self.sent: list[int] = []

    def send(self, data: bytearray) -> int:
        self.sent.append(len(data))
        return self._own.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


class Ends:
    """A connection whose server is the other end of a pair of sockets."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        own, self.peer = socket.socketpair()
        self.peer.settimeout(0)
        self.socket = Counting(own)
        ends = self

        class Pair(connection_on(loop)):  # type: ignore[misc]  # a class made at run time
            def _connect_socket(self) -> None:
                self._socket = ends.socket

            def _send_options_message(self) -> None:
                """No greeting."""

        self.connection: LoopConnection = Pair()

    async def received(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            found += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.peer, 1 << 20), 10)
        return found

    def waiting(self) -> list[object]:
        """What a request is told that waits for its answer."""
        told: list[object] = []
        self.connection._requests[self.connection.get_request_id()] = (told.append, None, None)
        return told


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    found = Ends(asyncio.get_running_loop())
    yield found
    found.connection.close()
    found.peer.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(0)


async def test_the_first_message_of_a_turn_goes_at_once_and_the_others_together(ends: Ends) -> None:
    for number in range(10):
        ends.connection.push(b"%d" % number)
    assert ends.socket.sent == [1]
    assert await ends.received(10) == b"0123456789"
    assert ends.socket.sent == [1, 9]
    ends.connection.push(b"again")
    assert ends.socket.sent == [1, 9, 5]
    assert await ends.received(5) == b"again"


async def test_what_the_network_does_not_take_is_kept_in_order(ends: Ends) -> None:
    parts = [bytes([number]) * 300_000 for number in range(20)]
    for part in parts:
        ends.connection.push(part)
    assert await ends.received(6_000_000) == b"".join(parts)
    ends.connection.push(b"behind")
    assert await ends.received(6) == b"behind"


async def test_messages_from_threads_arrive(ends: Ends) -> None:
    await asyncio.to_thread(ends.connection.push, b"from afar")
    assert await ends.received(9) == b"from afar"


async def test_whoever_waits_is_told_that_the_server_has_gone(ends: Ends) -> None:
    told = ends.waiting()
    ends.peer.close()
    await until(lambda: told)
    assert isinstance(told[0], ConnectionShutdown)
    assert ends.connection.is_closed
    assert ends.socket.fileno() == -1


async def test_whoever_waits_is_told_that_the_network_failed(ends: Ends) -> None:
    told = ends.waiting()
    ends.peer.close()
    ends.connection.push(b"nobody listens")
    await until(lambda: told)
    assert ends.connection.is_defunct
    with pytest.raises(ConnectionShutdown):
        ends.connection.send_msg(None, 0, None)


async def test_closed_from_a_thread(ends: Ends) -> None:
    told = ends.waiting()
    await asyncio.to_thread(ends.connection.close)
    await until(lambda: ends.socket.fileno() == -1)
    assert isinstance(told[0], ConnectionShutdown)


def test_a_connection_whose_loop_has_ended_says_so_and_closes() -> None:
    async def made() -> Ends:
        return Ends(asyncio.get_running_loop())

    ends = asyncio.run(made())
    with pytest.raises(ConnectionShutdown, match="loop"):
        ends.connection.push(b"")
    ends.connection.close()
    assert ends.socket.fileno() == -1
    ends.peer.close()


async def test_a_timer_calls_back_on_the_loop_unless_it_is_cancelled(ends: Ends) -> None:
    called: list[str] = []

    def action(name: str) -> Callable[[], None]:
        return lambda: called.append(f"{name} on {threading.current_thread().name}")

    def from_a_thread() -> None:
        ends.connection.create_timer(0.002, action("thread's"))
        ends.connection.create_timer(0.001, action("cancelled")).cancel()

    ends.connection.create_timer(0.001, action("cancelled")).cancel()
    await asyncio.to_thread(from_a_thread)
    ends.connection.create_timer(0.004, action("loop's"))
    await until(lambda: len(called) == 2)
    here = threading.current_thread().name
    assert called == [f"thread's on {here}", f"loop's on {here}"]
