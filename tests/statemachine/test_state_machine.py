"""Any order of puts, deletes, deliveries, crashes and sweeps leads to one index: the source's (architecture, invariants 1, 3-5, 12)."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from syncline_contracts.revision import NEVER
from syncline_store.indexing.delivery import Delivery
from tests.statemachine.world import NAMESPACE, World, to_be_found

T = TypeVar("T")

KEYS = ["a", "b", "c"]
WORDS = "the quick brown fox jumps over a lazy dog and then sleeps all day long "
TEXTS = ["", "cat", "dog", WORDS * 3, WORDS * 7]
"""Of none, one, one, a few and more passages."""
DAYS = 24 * 3600

documents = st.sampled_from(KEYS)
texts = st.sampled_from(TEXTS)
numbers = st.integers(0, 2)
lives = st.sampled_from([None, None, None, 100, 2 * DAYS])


class Everything(RuleBasedStateMachine):
    """`model` is what the source must hold: key -> (revision, value, expires_at, indexed), None once deleted."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.world = self.run(World.open())
        self.model: dict[str, tuple[int, dict[str, Any], int, bool] | None] = {}
        self.acknowledged: set[str] = set()
        self.known: list[Delivery] = []

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(step)

    def refresh(self) -> None:
        """What there is to deliver: the outbox's rows, also those that its own life has ended for."""
        for delivery in self.run(self.world.events()):
            if delivery.source not in {known.source for known in self.known}:
                self.known.append(delivery)

    def acknowledge(self, batch: list[Delivery]) -> None:
        self.acknowledged |= {delivery.source for delivery in batch}

    @property
    def pending(self) -> list[Delivery]:
        return [delivery for delivery in self.known if delivery.source not in self.acknowledged]

    # ------------------------------------------------------------------ the app

    @rule(key=documents, text=texts, number=numbers, ttl=lives, indexed=st.sampled_from([True, True, True, False]))
    def put(self, key: str, text: str, number: int, ttl: int | None, *, indexed: bool) -> None:
        value = {"text": text, "n": number}
        revision = self.run(self.world.view.put(NAMESPACE, key, value, ttl=ttl, index=None if indexed else False))
        self.model[key] = (revision, value, NEVER if ttl is None else revision + ttl * 1_000_000, indexed)
        self.refresh()

    @rule(key=documents)
    def delete(self, key: str) -> None:
        self.run(self.world.view.delete(NAMESPACE, key))
        self.model[key] = None
        self.refresh()

    @rule(key=documents, seconds=st.sampled_from([50, 1_000, 3 * DAYS]))
    def touch(self, key: str, seconds: int) -> None:
        if self.run(self.world.touch(key, seconds)):
            known = self.model[key]
            assert known is not None
            self.model[key] = (known[0], known[1], self.world.clock.now() + seconds * 1_000_000, known[3])
            self.refresh()

    # ------------------------------------------------------------------ the relay and the workers

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        batch = data.draw(st.lists(st.sampled_from(self.pending), min_size=1, max_size=6))
        self.run(self.world.indexer.index(batch))
        self.acknowledge(batch)
        self.refresh()

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        """Anything again, in any order, the acknowledged included."""
        batch = data.draw(st.lists(st.sampled_from(self.known), min_size=1, max_size=6))
        self.run(self.world.indexer.index(batch))
        self.refresh()

    @precondition(lambda self: self.known)
    @rule(data=st.data(), at=st.integers(0, 4), after=st.booleans())
    def crash(self, data: st.DataObject, at: int, *, after: bool) -> None:
        """Nothing of the batch is acknowledged."""
        batch = data.draw(st.lists(st.sampled_from(self.known), min_size=1, max_size=6))
        self.run(self.world.dies(batch, at, after=after))
        self.refresh()

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def several_workers(self, data: st.DataObject) -> None:
        batches = data.draw(st.lists(st.lists(st.sampled_from(self.known), min_size=1, max_size=4), min_size=2, max_size=3))
        self.run(self.world.at_once(batches))
        self.acknowledge([delivery for batch in batches for delivery in batch])
        self.refresh()

    @rule(key=documents)
    def repair(self, key: str) -> None:
        """As the reconciler does: the row says what is meant, the point where there is no row."""
        head = next(iter(self.run(self.world.points([key]))[key]), None)
        row = self.run(self.world.row(key))
        told = row or head
        if told is not None:
            self.run(self.world.repair(key, told.revision, told.expires_at))
            self.refresh()

    # ------------------------------------------------------------------ time

    @rule(seconds=st.sampled_from([1, 60, 200, 3 * DAYS, 8 * DAYS]))
    def time_passes(self, seconds: int) -> None:
        self.world.time.forward(seconds)

    @rule()
    def sweep(self) -> None:
        self.run(self.world.sweep())

    # ------------------------------------------------------------------ what must hold

    @rule()
    def drain_and_compare(self) -> None:
        self.drain()
        self.compare()

    def drain(self) -> None:
        for _ in range(10):
            if not self.pending:
                return
            batch = self.pending
            outcomes = self.run(self.world.indexer.index(batch))
            self.acknowledge(batch)
            self.refresh()
        raise AssertionError(f"the same events are put back for ever: {outcomes}")

    def compare(self) -> None:
        now = self.world.clock.now()
        points = self.run(self.world.points(KEYS))
        for key in KEYS:
            row = self.run(self.world.row(key))
            known = self.model.get(key)
            if known is not None and known[2] > now:
                assert row is not None
                assert (row.revision, row.expires_at, row.deleted) == (known[0], known[2], False)
            live = [point for point in points[key] if point.live and point.expires_at > now]
            if not to_be_found(row, now):
                assert live == [], f"{key} is not to be found, but the index holds {live}"
                continue
            assert row is not None
            assert known is not None
            assert [point.passage for point in live] == list(range(live[0].passages)), f"{key}: passages are missing or too many"
            assert {point.version for point in live} == {row.version}
            assert {point.content_hash for point in live} == {row.content_hash.hex()}
            assert len(live) > 1 or self.run(self.world.vector_is_the_text_s(row, known[1])), f"{key}: another text's vector"
        for number in range(3):
            expected = {
                key for key, known in self.model.items() if known is not None and known[1]["n"] == number and known[2] > now and known[3]
            }
            assert self.run(self.world.filtered(number)) == expected

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.drain()
            self.compare()
        finally:
            self.run(self.world.aclose())
            self.runner.close()


TestEverything = Everything.TestCase
TestEverything.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=True
)
