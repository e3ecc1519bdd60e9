"""How far this machine's clock is from the servers'."""

import time

from syncline_contracts.revision import MAX_AHEAD
from syncline_store.engines.protocol import Engine
from syncline_sync_worker.doctor.finding import Finding, fail, ok, warn

_LOOKS = 8
"""Any of the nodes may answer: the worst of so many answers counts."""
NOTABLE = MAX_AHEAD // 5
"""µs from where on a clock is worth looking at."""


async def look(engine: Engine) -> Finding:
    """Ask for the time a few times. Raises StorageUnavailable."""
    return verdict(*max([await _skew(engine) for _ in range(_LOOKS)], key=lambda found: abs(found[0])))


def verdict(skew: int, bound: int) -> Finding:
    """`skew` is by how many µs the servers are ahead of us, known to `bound` µs."""
    said = f"the storage is {abs(skew) / 1e3:,.0f} ms {'ahead of' if skew > 0 else 'behind'} this machine (± {bound / 1e3:,.0f} ms)"
    synchronise = f"synchronise all clocks (NTP): beyond {MAX_AHEAD / 1e6:.0f} s nothing is written"
    if abs(skew) - bound > MAX_AHEAD:
        return fail("clocks", said, synchronise)
    if abs(skew) - bound > NOTABLE:
        return warn("clocks", said, synchronise)
    return ok("clocks", said)


async def _skew(engine: Engine) -> tuple[int, int]:
    """The server read its clock at some time between our two looks at ours."""
    before = time.time_ns() // 1000
    theirs = await engine.clock()
    after = time.time_ns() // 1000
    return theirs - (before + after) // 2, (after - before) // 2
