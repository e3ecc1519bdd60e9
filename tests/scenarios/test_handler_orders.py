"""The same events any number of times, in any order, by any number of handlers: the same index (architecture, invariant 12).

Hypothesis chooses the writes, when each row and each event surfaces, which handler makes its next step, and who dies where.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from syncline_contracts.event import Kind
from syncline_store.document import Write
from syncline_store.indexing.delivery import Delivery
from tests.parts.gated import GatedHandler
from tests.parts.world import World, open_world

MAX_ROUNDS = 20
MAX_HANDLERS = 3

states = st.one_of(
    st.builds(lambda name, passages: {"name": name, "passages": passages}, st.sampled_from("ab"), st.integers(0, 4)),
    st.builds(lambda name, tick: {"name": name, "expires": tick}, st.sampled_from("ab"), st.integers(1, 3)),
    st.just({"deleted": True}),
    st.just({"indexed": False, "name": "hidden"}),
)
histories = st.lists(states, min_size=1, max_size=4)
KINDS = ["row", "row", "event", "event", "repair", "take", "take", "crash", "tick", *["step"] * 12]
moves = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3)), min_size=30, max_size=90)


@dataclass
class Play:
    """Events that were not acknowledged yet, and the handlers at work; what a dead handler held is delivered again."""

    world: World
    writes: Sequence[Write]
    surfaced: set[int] = field(default_factory=set)
    delivered: set[int] = field(default_factory=set)
    waiting: list[Delivery] = field(default_factory=list)
    working: list[tuple[GatedHandler, list[Delivery]]] = field(default_factory=list)

    async def move(self, kind: str, number: int) -> None:
        await getattr(self, kind)(number)

    async def row(self, number: int) -> None:
        number %= len(self.writes)
        if number not in self.surfaced:
            self.surfaced.add(number)
            await self.world.surface(self.writes[number])

    async def event(self, number: int) -> None:
        number %= len(self.writes)
        self.delivered.add(number)
        self.waiting.append(Delivery(self.writes[number].event, "outbox"))

    async def repair(self, number: int) -> None:
        if number in self.surfaced:
            event = self.writes[number].event.model_copy(update={"kind": Kind.REPAIR})
            self.waiting.append(Delivery(event, "repair"))

    async def tick(self, _: int) -> None:
        """Time passes, and the sweep passes by; a handler at work would have met its deadline, a row would have surfaced."""
        if not self.working and len(self.surfaced) == len(self.writes):
            self.world.tick()
            await self.world.sweep()

    async def take(self, count: int) -> None:
        if self.waiting and len(self.working) < MAX_HANDLERS:
            batch, self.waiting = self.waiting[: count + 1], self.waiting[count + 1 :]
            self.working.append((self.world.start(*batch), batch))

    async def step(self, which: int) -> None:
        if self.working:
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
        """All that is left, deferred events included, until nothing waits.

        Events that were handled are not delivered again: that would heal what they broke.
        """
        for number in range(len(self.writes)):
            await self.row(number)
            if number not in self.delivered:
                await self.event(number)
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


async def play(history: list[dict[str, Any]], chosen: list[tuple[str, int]], *, by_filter: bool) -> None:
    async with open_world(by_filter=by_filter) as world:
        game = Play(world, [world.write(number, **state) for number, state in enumerate(history, 1)])
        begun = world.clock.now()
        for kind, number in chosen:
            await game.move(kind, number)
        await game.finish(begun)
        await world.assert_in_step()


@settings(max_examples=60, deadline=None)
@given(history=histories, chosen=moves)
def test_any_order_any_number_of_times_any_handler(history: list[dict[str, Any]], chosen: list[tuple[str, int]]) -> None:
    asyncio.run(play(history, chosen, by_filter=False))


@settings(max_examples=40, deadline=None)
@given(history=histories, chosen=moves)
def test_any_order_on_the_write_path_that_a_server_gets(history: list[dict[str, Any]], chosen: list[tuple[str, int]]) -> None:
    asyncio.run(play(history, chosen, by_filter=True))
