"""What every engine says of itself: which store it is."""

import asyncio
import uuid

from syncline_store.engines.protocol import Engine


async def test_it_is_drawn_once_whoever_asks(engine: Engine, another: Engine) -> None:
    drawn = set(await asyncio.gather(*(each.identity() for each in (engine, another) for _ in range(3))))
    assert len(drawn) == 1
    assert uuid.UUID(drawn.pop()).version == 4
    assert await engine.identity() == await another.identity()
