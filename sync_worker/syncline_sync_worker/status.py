"""How things stand: what each side holds, what is still to be published, what could not be indexed."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from itertools import islice

from syncline_contracts.errors import IndexLocked, Unavailable
from syncline_contracts.identity import SEGMENTS
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine, Pos
from syncline_store.parts import Parts
from syncline_sync_worker.config import Configuration

COUNTED = 100_000
"""Up to so many documents, events and letters are counted one by one; beyond, the figure is a bound or an estimate."""
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Status:
    """Counts, and an age in seconds."""

    documents: int
    """Living documents; where there are very many, an estimate that counts deleted ones too."""
    points: int | None
    """Points in the index, tombstones included; None while another process holds a local index, or where it does not answer."""
    backlog: int
    """Events that no checkpoint has passed. While a relay runs, those of the last few seconds are published already."""
    oldest_unpublished: float | None
    """The age in seconds of the oldest of them."""
    unhandled: int | None
    """Published events that the workers have not handled yet; None where there is no Kafka, or where it does not answer."""
    dead_letters: int
    model: str
    next_model: str | None
    """The model that is migrated to, where the settings name one."""
    next_points: int | None
    """Points in its collection, as `points`; None too where it was not made yet."""
    problems: Sequence[str]
    """Why points or unhandled events could not be counted: a part that does not answer hides nothing of the others."""


async def read_status(parts: Parts, configuration: Configuration) -> Status:
    """Read it, without changing anything. Raises StorageUnavailable, ConfigurationError."""
    problems: list[str] = []
    engine, now = parts.engine, parts.clock.now()
    backlog, oldest = await read_backlog(engine, now, life=int(configuration.relay.outbox_life * 1e6))
    return Status(
        documents=await _documents(engine, now),
        points=await _or_told(_points(parts), problems),
        backlog=backlog,
        oldest_unpublished=None if oldest is None else max(0, now - oldest) / 1e6,
        unhandled=await _or_told(_unhandled(configuration), problems),
        dead_letters=await count_letters(engine),
        model=parts.embedder.model,
        next_model=None if parts.next_embedder is None else parts.next_embedder.model,
        next_points=await _or_told(_next_points(parts), problems),
        problems=problems,
    )


async def _or_told(reading: Awaitable[int | None], problems: list[str]) -> int | None:
    try:
        return await reading
    except Unavailable as error:
        problems.append(str(error))
        return None


async def pending(engine: Engine, clock: Clock, configuration: Configuration) -> int:
    """Events that relays and workers have not handled yet. Raises what `read_status` raises."""
    backlog, _ = await read_backlog(engine, clock.now(), life=int(configuration.relay.outbox_life * 1e6))
    return backlog + (await _unhandled(configuration) or 0)


async def _documents(engine: Engine, now: int) -> int:
    estimate = await engine.documents.estimate()
    if estimate > COUNTED:
        return estimate
    living = 0
    async for heads in engine.documents.heads(0, SEGMENTS - 1):
        living += int((~heads.deleted & (heads.expires_at > now)).sum())
    return living


async def _points(parts: Parts) -> int | None:
    try:
        return await (await parts.index()).count()
    except IndexLocked:
        return None


async def _next_points(parts: Parts) -> int | None:
    if parts.next_embedder is None:
        return None
    try:
        collections = await (await parts.index()).collections()
    except IndexLocked:
        return None
    return next((each.points for each in collections if each.model == parts.next_embedder.model), None)


async def _unhandled(configuration: Configuration) -> int | None:
    if configuration.kafka is None:
        return None
    from syncline_sync_worker.transport.kafka.lag import read_lag  # noqa: PLC0415 - its client is an extra

    return (await read_lag(configuration.kafka)).records


async def read_backlog(engine: Engine, now: int, *, life: int) -> tuple[int, int | None]:
    """A mark stays behind the last sweep by the time that rows can be late: up to there, all was published."""
    marks = await engine.leases.marks()
    count, oldest = 0, None
    for shard in range(engine.outbox.shards):
        mark = marks.get(shard)
        after = Pos(now - life) if mark is None else Pos(mark.at + engine.outbox.lateness)
        while count < COUNTED:
            rows = await engine.outbox.read(shard, after, Pos(now), PAGE)
            count += len(rows)
            oldest = min([row.pos.at for row in islice(rows, 1)] + ([] if oldest is None else [oldest]), default=None)
            if len(rows) < PAGE:
                break
            after = rows[-1].pos
    return count, oldest


async def count_letters(engine: Engine) -> int:
    """Open letters, counted up to a bound."""
    count, after = 0, None
    while count < COUNTED:
        page = await engine.dead_letters.scan(after, PAGE)
        count += len(page.items)
        after = page.after
        if after is None:
            break
    return count
