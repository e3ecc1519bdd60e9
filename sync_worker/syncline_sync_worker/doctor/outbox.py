"""What waits in the outbox, held against how long it is kept there."""

from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.doctor.finding import Finding, fail, ok, warn
from syncline_sync_worker.status import read_backlog

NOTABLE = 60.0
"""Seconds from where on an event that nobody published is worth looking at."""
_RUNNING = "is a relay running? (`syncline relay`, `syncline run`)"
_LOCAL = "`syncline run`, or any command that looks at the index, brings it in step"
_REMEDY = "start a relay now, and run `syncline reconcile repair` afterwards: what expired unpublished is found by nothing else"


async def look(configuration: Configuration, engine: Engine) -> Finding:
    """The oldest event that no relay published, and the oldest mark. Raises StorageUnavailable."""
    now, settings = Clock().now(), configuration.cql_settings
    life = configuration.relay.outbox_life if settings is None else settings.outbox_life
    waiting, oldest = await read_backlog(engine, now, life=int(life * 1e6))
    marks = [mark for mark in (await engine.leases.marks()).values() if mark is not None]
    return verdict(
        waiting=waiting,
        oldest=None if oldest is None else (now - oldest) / 1e6,
        mark=None if not marks else (now - min(mark.at for mark in marks)) / 1e6,
        life=float(life),
        relayed=configuration.kafka is not None or not configuration.local_index,
    )


def verdict(*, waiting: int, oldest: float | None, mark: float | None, life: float, relayed: bool) -> Finding:
    """Ages in seconds. `relayed`: processes do it, whose marks move also while nothing is written; commands on a folder do it when asked.

    A row that reaches the end of its life unpublished is an event lost (architecture, section 5: half of it is an alert).
    """
    waits = f"{waiting:,} event{' waits' if waiting == 1 else 's wait'}"
    kept = f"rows are kept for {_long(life)}"
    if oldest is not None and oldest > life / 2:
        return fail("outbox", f"{waits}, the oldest for {_long(oldest)}; {kept}", _REMEDY)
    if relayed and mark is not None and mark > life / 2:
        return fail("outbox", f"no relay has moved its mark for {_long(mark)}; {kept}", _REMEDY)
    if oldest is not None and oldest > NOTABLE:
        return warn("outbox", f"{waits}, the oldest for {_long(oldest)}", _RUNNING if relayed else _LOCAL)
    return ok("outbox", waits if waiting else "nothing waits")


def _long(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"
