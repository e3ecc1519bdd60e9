"""Positions of outbox rows as version 1 UUIDs, in the servers' order.

CQL sorts timeuuids by their 60 bits of time, then by the other eight bytes, each compared as a *signed* number. A position's time is
the UUID's (in 100 ns); its tie is 62 bits, whose bytes are stored with the highest bit turned over, so that signed order is ours.
"""

import secrets
import uuid
from collections.abc import Callable
from itertools import count

from syncline_store.engines.protocol import Pos

GREGORIAN = 0x01B21DD213814000
"""100 ns between 1582-10-15 and 1970."""
MINUTE = 60_000_000
_LAST_TICK = (1 << 60) - 1
_TIE_BITS = 62
_LAST_TIE = (1 << _TIE_BITS) - 1
_FLIP = 0x0080808080808080
_VARIANT = 0x8000000000000000
_PROCESS_BITS = 24


class Positions:
    """Draws positions that never go back within a process, also when its clock does."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._last = 0
        self._process = secrets.randbits(_PROCESS_BITS)
        self._ties = count()

    def now(self) -> int:
        """The time for a batch that is about to be sent, µs."""
        self._last = max(self._last, self._now())
        return self._last

    def draw(self, at: int) -> uuid.UUID:
        """The next place at this time: behind all that were drawn for it before, and nobody else's."""
        return _timeuuid(at * 10 + GREGORIAN, (next(self._ties) << _PROCESS_BITS | self._process) & _LAST_TIE)


def position(place: uuid.UUID) -> Pos:
    """The position that a stored row stands at."""
    tie = (place.int & ((1 << 64) - 1)) ^ _FLIP ^ _VARIANT
    high = place.int >> 64  # `place.time` puts the same bits together, in four times the time
    tick = (high & 0x0FFF) << 48 | (high & 0xFFFF0000) << 16 | high >> 32
    return Pos((tick - GREGORIAN) // 10, tie.to_bytes(8, "big"))


def floor(pos: Pos) -> uuid.UUID:
    """The last place that is not behind `pos`, which may be any: rows behind the one are exactly the rows behind the other."""
    tick = pos.at * 10 + GREGORIAN
    if tick < 0:
        return _timeuuid(0, 0)
    if tick > _LAST_TICK:
        return _timeuuid(_LAST_TICK, _LAST_TIE)
    tie = int.from_bytes(pos.tie[:8].ljust(8, b"\0"), "big") - (len(pos.tie) < 8)  # noqa: PLR2004 - bytes of a tie
    if tie < 0:
        return _timeuuid(tick - 1, _LAST_TIE) if tick else _timeuuid(0, 0)
    return _timeuuid(tick, min(tie, _LAST_TIE))


def _timeuuid(tick: int, tie: int) -> uuid.UUID:
    high = (tick & 0xFFFFFFFF) << 32 | (tick >> 32 & 0xFFFF) << 16 | 1 << 12 | tick >> 48
    return uuid.UUID(int=high << 64 | (tie ^ _FLIP) | _VARIANT)
