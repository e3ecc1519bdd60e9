"""Times and durations as people write them, and ages as they read them."""

import re
from datetime import UTC, datetime

from syncline_contracts.errors import InvalidInput

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*([smhdw])$")
_RATE = re.compile(r"^(\d+(?:\.\d+)?)\s*(?:/\s*([sm]))?$")


def parse_duration(option: str, text: str) -> int:
    """Read ``90s``, ``30m``, ``2h``, ``1.5d``, ``4w`` as µs. Raises InvalidInput."""
    found = _DURATION.match(text.strip())
    if found is None:
        raise InvalidInput(option, f"{text!r} is no duration: write 90s, 30m, 2h, 7d or 4w")
    return int(float(found[1]) * _UNITS[found[2]] * 1e6)


def parse_time(option: str, text: str, now: int) -> int:
    """Read a duration, so long before `now`, or an ISO time (UTC unless it says otherwise) as µs since 1970. Raises InvalidInput."""
    if _DURATION.match(text.strip()):
        return now - parse_duration(option, text)
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(option, f"{text!r} is neither a duration (2h, 7d) nor a time (2026-03-01, 2026-03-01T12:00)") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1e6)


def parse_rate(option: str, text: str) -> float:
    """Read ``50``, ``50/s`` or ``30/m`` as so many a second. Raises InvalidInput."""
    found = _RATE.match(text.strip())
    if found is None or float(found[1]) <= 0:
        raise InvalidInput(option, f"{text!r} is no rate: write 50/s or 30/m")
    return float(found[1]) / _UNITS[found[2] or "s"]


def show_time(at: int) -> str:
    """Give ``2026-03-01 12:00:00 UTC``."""
    return f"{datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"


def show_age(us: int) -> str:
    """Give the two digits that matter: ``40 s``, ``12 min``, ``3 h``, ``5 d``."""
    seconds = max(0, us) // 1_000_000
    for bound, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < bound:
            return f"{seconds // unit} {name}"
    return f"{seconds // 86_400} d"
