"""The outbox as deliveries, for tests that play the relay themselves."""

from syncline_contracts.revision import NEVER
from syncline_store.engines.protocol import Engine, Pos
from syncline_store.indexing.delivery import Delivery


async def deliveries(engine: Engine, since: int = 0) -> list[Delivery]:
    """Every row of the outbox from a time on (µs since 1970), whatever was published, oldest first."""
    shards = range(engine.outbox.shards)
    rows = [row for shard in shards for row in await engine.outbox.read(shard, Pos(since), Pos(NEVER), 1_000_000)]
    return [Delivery(row.event, f"outbox/{row.shard}/{row.pos}") for row in sorted(rows, key=lambda row: row.pos)]
