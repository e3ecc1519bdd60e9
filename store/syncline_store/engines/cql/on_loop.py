"""The driver's connections on the application's own event loop.

The driver's usual ones live on a thread of their own: each request and each answer then crosses from one thread to the other, wakes it by
a system call and waits for Python's lock, which a busy loop gives up every 5 ms only. Here a request goes out from where it is made, and
an answer is decoded where it is awaited. Connecting, preparing and changes of the schema still block threads of the driver, never the loop.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, ClassVar

from cassandra.connection import Connection, ConnectionShutdown

_BUFFER = 65_536
_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def connection_on(loop: asyncio.AbstractEventLoop) -> type["LoopConnection"]:
    """The class of connections for a cluster that is used from this loop."""
    return type("LoopConnection", (LoopConnection,), {"loop": loop})


def call_on(loop: asyncio.AbstractEventLoop, action: Callable[..., object], *arguments: Any) -> bool:
    """Now where this is the loop, else soon. False: the loop is closed, and nothing was done."""
    if asyncio._get_running_loop() is loop:  # noqa: SLF001 - exported for those who build on loops: None where there is none
        action(*arguments)
        return True
    try:
        loop.call_soon_threadsafe(action, *arguments)
    except RuntimeError:
        return False
    return True


class LoopConnection(Connection):  # type: ignore[misc]  # the driver has no types
    """One connection. Methods without an underscore may be called from any thread, the others on the loop.

    The first message of a turn of the loop is sent at once, so that a lone one waits for nothing; what else is sent in that turn goes out
    together at its end, by one system call. What the network does not take yet is kept: at most what `max_in_flight` requests hold.
    """

    loop: ClassVar[asyncio.AbstractEventLoop]
    is_closed: bool

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._outgoing = bytearray()
        self._gathering = False
        self._blocked = False
        self._connect_socket()
        self._socket.settimeout(0)
        call_on(self.loop, self._start)
        self._send_options_message()

    @classmethod
    def create_timer(cls, seconds: float, action: Callable[[], object]) -> "_Timer":
        """Calls back on the loop."""
        return _Timer(cls.loop, seconds, action)

    def push(self, message: bytes) -> None:
        """Send it behind what was pushed before."""
        if not call_on(self.loop, self._send, message):
            raise ConnectionShutdown(f"the event loop of the connection to {self.endpoint} is closed")

    def close(self) -> None:
        """Let go of the socket; who waits for an answer is told."""
        with self.lock:
            if self.is_closed:
                return
            self.is_closed = True
        if not call_on(self.loop, self._stop):
            self._socket.close()
        if not self.is_defunct:  # else the driver tells them
            self.error_all_requests(ConnectionShutdown(f"the connection to {self.endpoint} was closed: {self.last_error}"))
            self.connected_event.set()

    def _start(self) -> None:
        if not self.is_closed:
            self.loop.add_reader(self._socket, self._read)

    def _stop(self) -> None:
        if self._socket.fileno() >= 0:
            self.loop.remove_reader(self._socket)
            self.loop.remove_writer(self._socket)
            self._socket.close()

    def _send(self, message: bytes) -> None:
        self._outgoing += message
        if not self._gathering:
            self._gathering = True
            self.loop.call_soon(self._end_turn)
            self._write()

    def _end_turn(self) -> None:
        self._gathering = False
        self._write()

    def _write(self) -> None:
        if self._outgoing and not self._blocked and not self.is_closed:
            self._pass_on()
            if self._outgoing and not self.is_closed:
                self._blocked = True
                self.loop.add_writer(self._socket, self._unblock)

    def _unblock(self) -> None:
        self.loop.remove_writer(self._socket)
        self._blocked = False
        self._write()

    def _pass_on(self) -> None:
        try:
            sent = self._socket.send(self._outgoing)
        except _NOT_NOW:
            return
        except OSError as error:
            self.defunct(error)
            return
        del self._outgoing[:sent]

    def _read(self) -> None:
        try:
            received = self._socket.recv(_BUFFER)
            while received and isinstance(self._socket, ssl.SSLSocket) and (held := self._socket.pending()):
                received += self._socket.recv(held)  # the loop does not see what has been decrypted already
        except _NOT_NOW:
            return
        except OSError as error:
            self.defunct(error)
            return
        if received:
            self._iobuf.write(received)
            self.process_io_buffer()
        else:
            self.close()


class _Timer:
    """What the driver times requests out with: may be made and cancelled on any thread."""

    __slots__ = ("_cancelled", "_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, action: Callable[[], object]) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None
        self._cancelled = False
        call_on(loop, self._start, seconds, action)

    def cancel(self) -> None:
        """The action is not called any more."""
        self._cancelled = True
        call_on(self._loop, self._stop)

    def _start(self, seconds: float, action: Callable[[], object]) -> None:
        if not self._cancelled:
            self._handle = self._loop.call_later(seconds, action)

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
