"""The same events any number of times, in any order, by any number of handlers: the same index (architecture, invariant 12).

Dice choose the writes, how often each one's event is delivered and of what kind, and then, again and again, who makes the
next few moves: its row surfaces, its event is delivered, its handler makes a step, or dies. What a dead handler held is delivered
again; what was handled is not, for that would heal what it broke.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from syncline_contracts.event import Kind
from syncline_store.document import Write
from syncline_store.indexing.delivery import Delivery
from tests.parts.gated import GatedHandler
from tests.parts.servers.qdrant import QdrantServer
from tests.parts.world import World, open_world

MAX_ROUNDS = 20
DEATHS = 0.1
EARLY = 0.1
"""How often an event may come before its row."""

COPIES = [[Kind.WRITE]] * 3 + [[Kind.WRITE, Kind.WRITE], [Kind.WRITE, Kind.REPAIR], [Kind.TOUCH]]
seeds = st.integers(0, 2**40)


def state(dice: Random) -> dict[str, Any]:
    """What one write makes of the document."""
    shapes: list[dict[str, Any]] = [
        {"name": dice.choice("ab"), "passages": dice.randint(1, 3)},
        {"name": dice.choice("ab"), "passages": dice.randint(1, 3)},
        {"name": dice.choice("ab"), "expires": dice.randint(1, 3)},
        {"deleted": True},
        {"indexed": False, "name": "hidden"},
    ]
    return dice.choice(shapes)


@dataclass
class Surfacing:
    """A row on its way: it may surface before or after its event is delivered."""

    world: World
    write: Write
    surfaced: bool = False

    async def move(self, *, dies: bool) -> None:
        """A row does not die."""
        await self.finish()

    async def finish(self) -> None:
        if not self.surfaced:
            self.surfaced = True
            await self.world.surface(self.write)


@dataclass
class Delivered:
    """One delivery of one write's event, on its way from nothing to acknowledged."""

    world: World
    write: Write
    kind: Kind
    row: Surfacing
    handler: GatedHandler | None = None
    acknowledged: bool = False

    async def move(self, *, dies: bool) -> None:
        if self.handler is None and not self.acknowledged:
            event = self.write.event.model_copy(update={"kind": self.kind})
            self.handler = self.world.start(Delivery(event, "outbox"))
        elif self.handler is not None:
            await (self._die(self.handler) if dies else self._step(self.handler))

    async def _die(self, handler: GatedHandler) -> None:
        self.handler = None
        await handler.crash()

    async def _step(self, handler: GatedHandler) -> None:
        if await handler.next() is None:
            await handler.finish()
            self.handler, self.acknowledged = None, True
        else:
            await handler.step()

    async def finish(self) -> None:
        while not self.acknowledged:
            await self.move(dies=False)


@dataclass
class Play:
    """All rows and all deliveries of all writes."""

    world: World
    writes: Sequence[Write]
    kinds: Sequence[Sequence[Kind]]
    players: list[Surfacing | Delivered] = field(default_factory=list)

    def __post_init__(self) -> None:
        for write, copies in zip(self.writes, self.kinds, strict=False):
            row = Surfacing(self.world, write)
            self.players += [row, *(Delivered(self.world, write, kind, row) for kind in copies)]

    async def some_moves(self, dice: Random) -> None:
        """One of them makes a few moves in a row, and may die at the last."""
        chosen, count = dice.choice(self.players), dice.randint(1, 8)
        if isinstance(chosen, Delivered) and dice.random() > EARLY:
            await chosen.row.finish()
        for number in range(count):
            await chosen.move(dies=number == count - 1 and dice.random() < DEATHS)

    async def finish(self, dice: Random) -> None:
        """Everybody to the end, in some order; then what was deferred, until nothing is."""
        begun = self.world.clock.now()
        for delivery in dice.sample(self.players, len(self.players)):
            await delivery.finish()
        for _ in range(MAX_ROUNDS):
            self.world.tick()
            deferred, begun = await self.world.deferred(begun), self.world.clock.now()
            if not deferred:
                return
            await self.world.handle(*deferred)
        raise AssertionError("events are deferred without end")


async def play(seed: int, *, by_filter: bool = False, server: str | None = None) -> None:
    """Dice throw more various games than hypothesis' own lists, which are short and much alike; the seed is what it reports."""
    dice = Random(seed)
    async with open_world(by_filter=by_filter, server=server) as world:
        writes = [world.write(number, **state(dice)) for number in range(1, dice.randint(2, 3) + 1)]
        game = Play(world, writes, [dice.choice(COPIES) for _ in writes])
        for _ in range(dice.randint(3, 25)):
            await game.some_moves(dice)
        await game.finish(dice)
        await world.assert_in_step()


@settings(max_examples=120, deadline=None)
@given(seeds)
def test_any_order_any_number_of_times_any_handler(seed: int) -> None:
    asyncio.run(play(seed))


@settings(max_examples=80, deadline=None)
@given(seeds)
def test_any_order_on_the_write_path_of_a_server(seed: int) -> None:
    asyncio.run(play(seed, by_filter=True))


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_any_order_on_a_server(qdrant: QdrantServer, seed: int) -> None:
    asyncio.run(play(seed, server=qdrant.url))
