"""D1 of docs/protocol.md where a transport lies between relay and handler: the mark passes events that nobody has handled."""

from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from syncline_contracts.drift import DriftKind, DriftReport, Verdict
from syncline_contracts.errors import TransportUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_store.engines.protocol import Pos
from syncline_store.indexing.delivery import Delivery
from tests.parts.clock import SECOND
from tests.parts.damage import Damage
from tests.parts.reconciling import COLLECTION, HOUR, N1, N2, N3, Hook, TwoSides, kinds, settled


class Topic:
    """As Kafka is: what is published lies here in its order until it is handled. `meanwhile` runs before a question is answered,
    `then` after the question for documents."""

    def __init__(self, sides: TwoSides) -> None:
        self.sides = sides
        self.events: list[ChangeEvent] = []
        self.out = False
        self.meanwhile: Hook | None = None
        self.then: Hook | None = None

    async def publish(self) -> None:
        """All that stands in the outbox, and the marks behind it."""
        self.sides.time.forward(1)
        now = Pos(self.sides.clock.now())
        self.events += [row.event for row in await self.sides.unhandled()]
        await self.sides.checkpoint(now)

    async def handle(self) -> None:
        await self.sides.indexer.index([Delivery(event, "topic") for event in self.events])
        self.events.clear()

    async def defer(self) -> None:
        """The handler puts back what it cannot handle yet: the row first, then the offset."""
        for event in self.events:
            await self.sides.engine.outbox.append([event], due=self.sides.clock.now() + 10 * SECOND)
        self.events.clear()

    async def check(self, **settings: object) -> DriftReport:
        return await self.sides.reconciler(unhandled=self, **settings).check()

    # ------------------------------------------------------------------ what the reconciler asks

    async def oldest(self) -> int | None:
        await self._asked()
        return self.events[0].first_at if self.events else None

    async def among(self, refs: Collection[Ref]) -> set[Ref]:
        await self._asked()
        found = {event.ref for event in self.events} & set(refs)
        if self.then is not None:
            await self.then()
        return found

    async def _asked(self) -> None:
        if self.out:
            raise TransportUnavailable("Kafka is away")
        if self.meanwhile is not None:
            await self.meanwhile()


@pytest.fixture
async def topic(tmp_path: Path) -> AsyncIterator[Topic]:
    async with TwoSides.open(tmp_path) as sides:
        yield Topic(sides)


async def expect_silence_until_handled(topic: Topic, young: int) -> None:
    report = await topic.check()
    assert (report.verdict, report.young) == (Verdict.IN_STEP, young)
    await topic.handle()
    topic.sides.time.forward(60)
    report = await topic.check()
    assert (report.verdict, report.young) == (Verdict.IN_STEP, 0)


async def test_d1_what_is_published_and_not_handled_is_silent_however_long_it_takes(topic: Topic) -> None:
    for ref in (N1, N2):
        await topic.sides.put(ref, "one")
    await settled(topic.sides)
    await topic.sides.put(N1, "two")
    await topic.sides.delete(N2)
    await topic.sides.put(N3, "new")
    await topic.publish()
    topic.sides.time.forward(3600)
    await expect_silence_until_handled(topic, 3)


async def test_d1_a_published_event_of_an_old_revision_is_silent(topic: Topic) -> None:
    """A refresh has its row's revision, and lies behind a record that is younger than that: its age tells nothing."""
    start = topic.sides.clock.now()
    await topic.sides.put(N1, "one", expires_at=start + 2 * HOUR)
    await settled(topic.sides)
    topic.sides.time.forward(1800)
    await topic.sides.put(N2, "young")
    await topic.publish()
    await topic.sides.extend(N1, start + 9 * HOUR)
    await topic.publish()
    topic.sides.time.forward(1800)
    await expect_silence_until_handled(topic, 2)


async def test_d1_a_published_repair_is_not_asked_for_again(topic: Topic) -> None:
    row = await topic.sides.put(N1, "one")
    await settled(topic.sides)
    async with topic.sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    assert kinds(await topic.check()) == {"n1": DriftKind.MISSING}
    repair = ChangeEvent.of(N1, row, Kind.REPAIR, first_at=topic.sides.clock.now())
    await topic.sides.engine.outbox.append([repair])
    await topic.publish()
    topic.sides.time.forward(60)
    await expect_silence_until_handled(topic, 1)


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_d1_an_event_that_moves_while_it_is_asked_for_is_seen(topic: Topic, steps: int) -> None:
    """From the topic back into the outbox, when it is deferred; from there into the topic, when its time has come."""
    revision = topic.sides.clock.tick()
    topic.sides.time.forward(600)
    await topic.sides.put(N1, "stalled", revision=revision)
    await topic.publish()
    topic.sides.time.forward(600)
    moves = [topic.defer, topic.publish] * 2

    async def move() -> None:
        for _ in range(steps):
            if moves:
                await moves.pop(0)()

    topic.meanwhile = move
    report = await topic.check()
    assert (report.verdict, report.young) == (Verdict.IN_STEP, 1)


async def test_d1_an_event_that_is_published_while_it_is_asked_for_is_seen(topic: Topic) -> None:
    """Its revision is old, and it leaves the outbox after the topic was read."""
    revision = topic.sides.clock.tick()
    topic.sides.time.forward(600)
    await topic.sides.put(N1, "stalled", revision=revision)
    topic.sides.time.forward(600)
    topic.then = topic.publish
    report = await topic.check(confirmations=1)
    assert (report.verdict, report.young) == (Verdict.IN_STEP, 1)


async def test_d1_an_old_difference_is_found_beside_a_backlog(topic: Topic) -> None:
    for ref in (N1, N2):
        await topic.sides.put(ref, "one")
    await settled(topic.sides)
    await topic.sides.put(N3, "in the topic")
    await topic.publish()
    async with topic.sides.behind_its_back() as raw:
        await Damage(raw, COLLECTION).lose(N1)
    topic.sides.time.forward(3600)
    report = await topic.check()
    assert kinds(report) == {"n1": DriftKind.MISSING}
    assert report.young == 1


async def test_d1_a_transport_that_does_not_answer_leaves_it_open(topic: Topic) -> None:
    topic.out = True
    assert (await topic.check()).verdict is Verdict.UNKNOWN
