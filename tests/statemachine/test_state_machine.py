"""Any order of puts, deletes, deliveries, crashes and sweeps leads to one index: the source's (architecture, invariants 1, 3-5, 12)."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from syncline_contracts.drift import DriftKind
from syncline_contracts.revision import NEVER
from syncline_store.conditional import Applied
from syncline_store.indexing.delivery import Delivery
from tests.statemachine.reconciling import BY_SAMPLE, KEYS, Reconciling, all_the_same, kind_of, kinds
from tests.statemachine.servers import open_servers
from tests.statemachine.world import NAMESPACE, Worker, World, to_be_found

T = TypeVar("T")

WORDS = "the quick brown fox jumps over a lazy dog and then sleeps all day long "
TEXTS = ["", "cat", "dog", WORDS * 3, WORDS * 7]
"""Of none, one, one, a few and more passages."""
WRITES = ["put", "put the same", "put another number", "hide", "touch", "put if unchanged", "delete"]
DAYS = 24 * 3600
REQUEST = 200
"""Seconds that a request is under way at most."""
LATENESS = 660
"""Seconds after which a row that is not there will not surface any more, on any storage; and a request's clock may be ahead."""
MOST_WORKERS = 3
FOUND = (Phase.explicit, Phase.reuse, Phase.generate)
"""In CI a failure is told as it was found: to make it small takes minutes, and can be done by its blob where somebody looks at it."""
OUTBOX_KEEPS = 2 * DAYS * 1_000_000
"""µs for which an event certainly stands in the outbox."""

documents = st.sampled_from(KEYS)
texts = st.sampled_from(TEXTS)
numbers = st.integers(0, 2)
lives = st.sampled_from([None, None, None, 100, 2 * DAYS])


class Everything(RuleBasedStateMachine):
    """`model` is what the source must hold: key -> (revision, value, expires_at, indexed), None once deleted."""

    def __init__(self, runner: asyncio.Runner, open_world: Callable[[], Awaitable[World]]) -> None:
        super().__init__()
        self.runner = runner
        self.open_world = open_world

    @initialize()
    def begin(self) -> None:
        self.world = self.run(self.opened())
        self.reconciling = Reconciling(self.world)
        self.model: dict[str, tuple[int, dict[str, Any], int, bool] | None] = {}
        self.acknowledged: set[str] = set()
        self.known: list[Delivery] = []
        self.workers: list[Worker] = []
        self.landed_late = False

    async def opened(self) -> World:
        return await self.open_world()

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(step)

    def refresh(self) -> None:
        """What there is to deliver: the outbox's rows, also those that its own life has ended for."""
        for delivery in self.run(self.world.events()):
            if delivery.source not in {known.source for known in self.known}:
                self.known.append(delivery)

    def acknowledge(self, batch: Sequence[Delivery]) -> None:
        self.acknowledged |= {delivery.source for delivery in batch}

    @property
    def pending(self) -> list[Delivery]:
        return [delivery for delivery in self.known if delivery.source not in self.acknowledged]

    # ------------------------------------------------------------------ the app

    @rule(key=documents, text=texts, number=numbers, ttl=lives, indexed=st.sampled_from([True, True, True, False]))
    def put(self, key: str, text: str, number: int, ttl: int | None, *, indexed: bool) -> None:
        value = {"text": text, "n": number}
        revision = self.run(self.world.view.put(NAMESPACE, key, value, ttl=ttl, index=None if indexed else False))
        self.model[key] = (revision, value, NEVER if ttl is None else self.world.clock.now() + ttl * 1_000_000, indexed)
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

    @precondition(lambda self: self.known and len(self.workers) < MOST_WORKERS)
    @rule(data=st.data(), at=st.integers(0, 8), after=st.booleans())
    def begin_a_batch(self, data: st.DataObject, at: int, *, after: bool) -> None:
        """A worker that stands still in the middle, while the others and the app go on."""
        batch = data.draw(st.lists(st.sampled_from(self.known), min_size=1, max_size=6))
        worker = self.run(self.world.start(batch, at, after=after))
        if worker is None:
            self.acknowledge(batch)
        else:
            self.workers.append(worker)
        self.refresh()

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        worker = self.taken(data)
        if self.run(worker.go_on()):
            self.acknowledge(worker.batch)
        self.refresh()

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """Nothing of the batch is acknowledged. The request that it stands before may land all the same (H15)."""
        worker = self.taken(data)
        if worker.gate.holds_a_write and data.draw(st.booleans()):
            self.run(worker.land_and_die())
            self.landed_late = True
        else:
            self.run(worker.die())
        self.refresh()

    def taken(self, data: st.DataObject) -> Worker:
        return self.workers.pop(data.draw(st.integers(0, len(self.workers) - 1)))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def several_workers(self, data: st.DataObject) -> None:
        batches = data.draw(st.lists(st.lists(st.sampled_from(self.known), min_size=1, max_size=4), min_size=2, max_size=3))
        self.run(self.world.at_once(batches))
        self.acknowledge([delivery for batch in batches for delivery in batch])
        self.refresh()

    @rule(
        data=st.data(),
        key=documents,
        before=texts,
        at=st.integers(1, 4),
        after=st.booleans(),
        writes=st.lists(
            st.tuples(st.sampled_from(["put", "put", "put", "delete", "touch"]), texts, numbers, lives), min_size=1, max_size=2
        ),
    )
    def overtaken(
        self, data: st.DataObject, key: str, before: str, at: int, writes: list[tuple[str, str, int, int | None]], *, after: bool
    ) -> None:
        """What random rules seldom string together: a worker stands still, the document changes, others finish, the worker goes on."""
        self.put(key=key, text=before, number=0, ttl=None, indexed=True)
        batch = [delivery for delivery in self.known if delivery.event.key == key][-2:]
        worker = self.run(self.world.start(batch, at, after=after))
        for what, text, number, ttl in writes:
            if what == "put":
                self.put(key=key, text=text, number=number, ttl=ttl, indexed=True)
            elif what == "delete":
                self.delete(key=key)
            else:
                self.touch(key=key, seconds=3 * DAYS)
        if writes:
            self.drain()
        if worker is not None:
            self.workers.append(worker)
            end = data.draw(st.sampled_from([self.go_on, self.go_on, self.crash]))
            end(data=data)
        self.drain_and_compare()

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
        """No request is under way for longer than its time-out."""
        while seconds > REQUEST and self.workers:
            self.run(self.workers.pop().die())
        self.world.time.forward(seconds)

    @rule()
    def sweep(self) -> None:
        self.run(self.world.sweep())

    # ------------------------------------------------------------------ the reconciler

    @precondition(lambda self: not self.workers and not self.landed_late)
    @rule()
    def reconciler_looks(self) -> None:
        """Events are under way, or nothing is: whatever differs is in flight, and no drift."""
        self.refresh()
        now = self.world.clock.now()
        if any(at < now - OUTBOX_KEEPS for at in self.placed(self.pending)):
            return  # its event is lost: drift indeed
        self.run(self.reconciling.marks_at(min([now, *self.placed(self.pending)])))
        report = self.run(self.reconciling.check())
        assert {key: kind for key, kind in kinds(report).items() if kind is not DriftKind.EXPIRED} == {}

    @rule(data=st.data(), seed=st.integers(0, 1 << 16), number=st.integers(1, len(KEYS)))
    def silent_damage(self, data: st.DataObject, seed: int, number: int) -> None:
        """Of one kind or several: once things are quiet, the report is what was done, no more and no less; and its repair ends it."""
        expected = self.harm(data, seed, number)
        report = self.run(self.reconciling.check())
        assert (kinds(report), report.young) == (expected, 0)
        self.run(self.reconciling.mend(report))
        self.be_quiet()
        self.compare()

    @rule(
        data=st.data(),
        seed=st.integers(0, 1 << 16),
        number=st.integers(1, len(KEYS)),
        before=texts,
        writes=st.lists(st.tuples(st.sampled_from(WRITES), texts, lives), min_size=1, max_size=3),
        crash=st.one_of(st.none(), st.integers(0, 6)),
    )
    def silent_damage_then_writes(
        self,
        *,
        data: st.DataObject,
        seed: int,
        number: int,
        before: str,
        writes: list[tuple[str, str, int | None]],
        crash: int | None,
    ) -> None:
        """Of the same documents: a write mends some of it, all, or none. What is left once things are quiet is the report."""
        self.time_passes(seconds=600)
        for key in KEYS[:number]:
            if not to_be_found(self.run(self.world.row(key)), self.world.clock.now()):
                self.put(key=key, text=before, number=1, ttl=None, indexed=True)
        harmed = sorted(self.harm(data, seed, number, to_last=True))
        for what, text, ttl in writes:
            self.write_over(data.draw(st.sampled_from(harmed)).removeprefix("stranger-"), what, text, ttl)
        if crash is not None and self.pending:
            worker = self.run(self.world.start(self.pending, crash, after=False))
            if worker is not None:
                self.run(worker.land_and_die() if worker.gate.holds_a_write else worker.die())
            self.refresh()
        self.drain()
        self.time_passes(seconds=LATENESS)
        self.run(self.world.sweep())
        if all(self.run(self.world.row(key)) is None for key in KEYS):  # a source that looks empty would be refused
            self.put(key=KEYS[-1], text="", number=2, ttl=None, indexed=True)
            self.drain()
            self.time_passes(seconds=LATENESS)
        self.run(self.reconciling.marks_at(self.world.clock.now()))
        self.report_is_what_differs_from_an_index_made_anew()

    def write_over(self, key: str, what: str, text: str, ttl: int | None) -> None:
        known = self.model.get(key)
        match what:
            case "put":
                self.put(key=key, text=text, number=0, ttl=ttl, indexed=True)
            case "put the same" if known is not None:
                self.put(key=key, text=known[1]["text"], number=known[1]["n"], ttl=ttl, indexed=known[3])
            case "put another number" if known is not None:
                self.put(key=key, text=known[1]["text"], number=(known[1]["n"] + 1) % 3, ttl=ttl, indexed=known[3])
            case "hide":
                self.put(key=key, text=text, number=0, ttl=ttl, indexed=False)
            case "touch":
                self.touch(key=key, seconds=3 * DAYS)
            case "put if unchanged" if known is not None and self.world.alone:  # a server gives it a revision of its own clock
                self.put_if_unchanged(key, text, known[0])
            case _:
                self.delete(key=key)

    def put_if_unchanged(self, key: str, text: str, revision: int) -> None:
        value = {"text": text, "n": 0}
        if to_be_found(self.run(self.world.row(key)), self.world.clock.now()):
            applied = self.run(self.world.view.update_if(NAMESPACE, key, value, revision=revision))
            assert isinstance(applied, Applied)
            self.model[key] = (applied.revision, value, NEVER, True)
            self.refresh()

    def report_is_what_differs_from_an_index_made_anew(self) -> None:
        """A report and its repair, then a repair of every document whatever was reported: what the two changed is what was wrong."""
        before, now = self.run(self.reconciling.held()), self.world.clock.now()
        report = self.run(self.reconciling.check())
        told = kinds(report)
        assert report.young == 0
        self.run(self.reconciling.mend(report))
        self.refresh()
        self.drain()
        mended = self.run(self.reconciling.held())
        self.reconcile()
        anew = self.run(self.reconciling.held())
        assert [key for key in before if not all_the_same(mended[key], anew[key])] == [], "the report's repair left something"
        assert set(told) == {key for key in before if not all_the_same(before[key], anew[key])}
        for key, kind in told.items():
            shown = kind_of(self.run(self.world.row(key)), before[key], now, self.world.index.model)
            assert kind is shown or (shown is None and kind in BY_SAMPLE), f"{key}: {kind}, and the columns show {shown}"
        self.be_quiet()
        self.compare()

    def harm(self, data: st.DataObject, seed: int, number: int, *, to_last: bool = False) -> dict[str, DriftKind]:
        """Things are quiet, then some of what is there is damaged; which documents, and how."""
        self.time_passes(seconds=600)
        self.be_quiet()
        now = self.world.clock.now()
        living = [key for key in KEYS if to_be_found(self.run(self.world.row(key)), now)][:number]
        passages = {key: self.run(self.reconciling.passages(key)) for key in living}
        ways = {
            key: data.draw(st.sampled_from(self.reconciling.possible(count, to_last=to_last)), label=key) for key, count in passages.items()
        }
        return self.run(self.reconciling.harm(ways, seed))

    def be_quiet(self) -> None:
        """Everything is handled and swept; the reconciler says the same."""
        self.refresh()
        self.drain_and_compare()
        self.time_passes(seconds=1)  # a repair that was placed just now lies before the mark then
        self.run(self.world.sweep())
        self.run(self.reconciling.marks_at(self.world.clock.now()))
        report = self.run(self.reconciling.check())
        assert (kinds(report), report.young) == ({}, 0)

    @staticmethod
    def placed(deliveries: Sequence[Delivery]) -> list[int]:
        """Where they stand in the outbox, in µs since 1970: `outbox/SHARD/AT-TIE`."""
        return [int(delivery.source.split("/")[2].partition("-")[0]) for delivery in deliveries]

    # ------------------------------------------------------------------ what must hold

    @rule()
    def drain_and_compare(self) -> None:
        self.drain()
        if self.landed_late:
            self.compare_what_searches_show()
            self.reconcile()
        self.compare()

    def reconcile(self) -> None:
        """What a dead worker's late request left is the reconciler's to find."""
        for key in KEYS:
            self.repair(key)
        self.drain()
        self.landed_late = False

    def compare_what_searches_show(self) -> None:
        now = self.world.clock.now()
        rows = {key: self.run(self.world.row(key)) for key in KEYS}
        expected = {key: row.revision for key, row in rows.items() if row is not None and to_be_found(row, now)}
        assert self.run(self.world.shown(None)) == expected
        with_text = {key for key in expected if (self.model[key] or (0, {"text": ""}))[1]["text"]}
        assert self.run(self.world.shown("cat")) == {key: revision for key, revision in expected.items() if key in with_text}

    def drain(self) -> None:
        """An expired row may still surface with a longer life: its event is put back until rows come no later than that."""
        for wait in (0, LATENESS):
            if wait:
                self.time_passes(seconds=wait)
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
            assert live, f"{key} is not in the index"
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
            self.drain_and_compare()
        finally:
            while self.workers:
                self.run(self.workers.pop().die())
            self.run(self.world.aclose())


def explore(runner: asyncio.Runner, open_world: Callable[[], Awaitable[World]], examples: int, *, soak: bool = False) -> None:
    run_state_machine_as_test(
        lambda: Everything(runner, open_world),
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            derandomize=not soak,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            phases=FOUND if os.environ.get("CI") == "true" and not soak else tuple(Phase),
            report_multiple_bugs=False,
        ),
    )


def test_on_sqlite() -> None:
    with asyncio.Runner() as runner:
        explore(runner, World.in_memory, 70)


@pytest.mark.timeout(3600)
def test_on_a_cql_server(*, soak: bool) -> None:
    """A tenant of its own for each example. The server lets no row's life end by the manual clock: `expires_at` alone says so."""
    with asyncio.Runner() as runner:
        servers = runner.run(open_servers())
        try:
            explore(runner, servers.world, 400 if soak else 8, soak=soak)
        finally:
            runner.run(servers.aclose())
