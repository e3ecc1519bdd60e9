"""The outbox as deliveries, for tests that play the relay themselves."""

from syncline_contracts.revision import NEVER
from syncline_store.engines.protocol import Engine, Pos
from syncline_store.indexing.delivery import Delivery


async def deliveries(engine: Engine) -> list[Delivery]:
    """Every row of the outbox, whatever was published, oldest first."""
    rows = [row for shard in range(engine.outbox.shards) for row in await engine.outbox.read(shard, Pos(0), Pos(NEVER), 1_000_000)]
    return [Delivery(row.event, f"outbox/{row.shard}/{row.pos}") for row in sorted(rows, key=lambda row: row.pos)]
