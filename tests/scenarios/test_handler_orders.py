"""The same events any number of times, in any order, by any number of handlers: the same index (architecture, invariant 12).

Hypothesis chooses the writes, when each row and each event surfaces, which handler makes its next step, and who dies where.
"""

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from syncline_contracts.event import Kind
from syncline_store.document import Write
from syncline_store.indexing.delivery import Delivery
from tests.parts.gated import GatedHandler
from tests.parts.world import World, open_world

MAX_ROUNDS = 20

states = st.one_of(
    st.builds(lambda name, passages: {"name": name, "passages": passages}, st.sampled_from("ab"), st.integers(0, 4)),
    st.builds(lambda name, tick: {"name": name, "expires": tick}, st.sampled_from("ab"), st.integers(1, 3)),
    st.just({"deleted": True}),
    st.just({"indexed": False, "name": "hidden"}),
)
histories = st.lists(states, min_size=1, max_size=4)


@dataclass
class Play:
    """Events that were not acknowledged yet, and the handlers at work; what a dead handler held is delivered again."""

    world: World
    waiting: list[Delivery] = field(default_factory=list)
    working: list[tuple[GatedHandler, list[Delivery]]] = field(default_factory=list)

    def take(self, count: int) -> None:
        if self.waiting and len(self.working) < 3:
            batch, self.waiting = self.waiting[:count], self.waiting[count:]
            self.working.append((self.world.start(*batch), batch))

    async def step(self, which: int) -> None:
        if not self.working:
            return
        handler, _ = self.working[which % len(self.working)]
        if await handler.next() is None:
            await self._end(which)
        else:
            await handler.step()

    async def crash(self, which: int) -> None:
        if self.working:
            handler, batch = self.working.pop(which % len(self.working))
            await handler.crash()
            self.waiting += batch

    async def _end(self, which: int) -> None:
        handler, _ = self.working.pop(which % len(self.working))
        await handler.finish()

    async def finish(self, begun: int) -> None:
        """All that is left, deferred events included, until nothing waits."""
        while self.working:
            await self._end(0)
        for _ in range(MAX_ROUNDS):
            self.world.tick()
            deferred, begun = await self.world.deferred(begun), self.world.clock.now()
            if not self.waiting and not deferred:
                return
            await self.world.handle(*self.waiting, *deferred)
            self.waiting = []
        raise AssertionError("events are deferred without end")


KINDS = ["row", "event", "event", "repair", "take", "take", "crash", "tick", *["step"] * 12]
moves = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3)), min_size=30, max_size=90)


async def play(history: list[dict[str, object]], chosen: list[tuple[str, int]], *, by_filter: bool) -> None:
    async with open_world(by_filter=by_filter) as world:
        writes = [world.write(number, **state) for number, state in enumerate(history, 1)]  # type: ignore[arg-type]  # states are keywords
        game, begun, surfaced = Play(world), world.clock.now(), set[int]()
        for move, number in chosen:
            if move == "row":
                await _surface(world, writes, surfaced, number)
            elif move == "event":
                game.waiting.append(_event(writes, number))
            elif move == "repair" and number in surfaced:
                event = writes[number].event
                game.waiting.append(Delivery(event.model_copy(update={"kind": Kind.REPAIR}), "repair"))
            elif move == "tick" and not game.working and len(surfaced) == len(writes):
                world.tick()
                await world.sweep()
            elif move == "take":
                game.take(number + 1)
            elif move == "crash":
                await game.crash(number)
            elif move == "step":
                await game.step(number)
        for number in range(len(writes)):
            await _surface(world, writes, surfaced, number)
            game.waiting.append(_event(writes, number))
        await game.finish(begun)
        await world.assert_in_step()


async def _surface(world: World, writes: list[Write], surfaced: set[int], number: int) -> None:
    if number < len(writes) and number not in surfaced:
        surfaced.add(number)
        await world.surface(writes[number])


def _event(writes: list[Write], number: int) -> Delivery:
    return Delivery(writes[number % len(writes)].event, "outbox")


@settings(max_examples=60, deadline=None)
@given(history=histories, chosen=moves)
def test_any_order_any_number_of_times_any_handler(history: list[dict[str, object]], chosen: list[tuple[str, int]]) -> None:
    asyncio.run(play(history, chosen, by_filter=False))


@settings(max_examples=40, deadline=None)
@given(history=histories, chosen=moves)
def test_any_order_on_the_write_path_that_a_server_gets(history: list[dict[str, object]], chosen: list[tuple[str, int]]) -> None:
    asyncio.run(play(history, chosen, by_filter=True))
