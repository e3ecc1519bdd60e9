"""Where outbox rows stand: time drawn inside the transaction, which never goes back within a process."""

import secrets
from collections.abc import Callable
from itertools import count

from syncline_store.engines.protocol import Pos

_COUNTER_BYTES = 5
_PROCESS_BYTES = 3
_BIAS = 1 << 63


class Positions:
    """Draws positions. Used by the writer's thread alone.

    A tie is 8 bytes: 5 that count, so that rows of one microsecond keep the order they were written in, and 3 drawn by the
    process, so that two processes differ.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._last = 0
        self._process = secrets.token_bytes(_PROCESS_BYTES)
        self._ties = count()

    def now(self) -> int:
        """The time for a transaction that just got the write lock."""
        self._last = max(self._last, self._now())
        return self._last

    def tie(self) -> bytes:
        """Bytes greater than all drawn before."""
        return next(self._ties).to_bytes(_COUNTER_BYTES, "big") + self._process


def pack(pos: Pos) -> bytes:
    """A position as bytes that sort as positions do."""
    return (pos.at + _BIAS).to_bytes(8, "big") + pos.tie


def unpack(packed: bytes) -> Pos:
    """What `pack` was given."""
    return Pos(int.from_bytes(packed[:8], "big") - _BIAS, packed[8:])
