"""Whatever was written, handled and damaged: once things are quiet the report is the difference, exactly; before that nothing in
flight is in it; and what it found is repaired through the indexer until nothing is left."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from syncline_contracts.drift import DriftKind, Verdict
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER
from syncline_store.index.scan import MARKS, document_of
from syncline_sync_worker.reconcile.horizon import in_flight, read_horizon
from syncline_sync_worker.reconcile.settle import Settle
from tests.parts.damage import Damage
from tests.parts.reconciling import COLLECTION, HOUR, TwoSides, kinds, long_text, note
from tests.unit.test_reconcile_compare import Head, Held, oracle, oracle_since

KEYS = [note(f"n{number}") for number in range(3)]
STRANGER = note("stranger")
TEXTS = ["one", "two", long_text("the cat sat on the mat", "the dog dug a hole"), ""]
refs = st.sampled_from(KEYS)
ACTIONS = st.one_of(
    st.tuples(st.just("put"), refs, st.sampled_from(TEXTS), st.sampled_from([NEVER, HOUR, 3 * HOUR])),
    st.tuples(st.just("hide"), refs),
    st.tuples(st.just("delete"), refs),
    st.tuples(st.just("extend"), refs),
    st.tuples(st.just("lose the row"), refs),
    st.tuples(st.just("handle")),
    st.tuples(st.just("handle")),
    st.tuples(st.just("wait"), st.sampled_from([1, 60, 2 * 3600])),
    st.tuples(st.just("lose"), refs, st.integers(0, 1)),
    st.tuples(st.just("age"), refs, st.integers(0, 1)),
    st.tuples(
        st.just("other"), refs, st.sampled_from([{"model": "other"}, {"content_hash": "0" * 32}, {"passages": 3}, {"expires_at": 7}])
    ),
    st.tuples(st.just("keep a copy"), refs),
    st.tuples(st.just("restore the copy")),
    st.tuples(st.just("stranger"), refs),
)


class Life:
    def __init__(self, sides: TwoSides) -> None:
        self.sides = sides
        self.copy: list[Any] = []

    async def live(self, action: Sequence[Any]) -> None:
        sides = self.sides
        match action:
            case ("put", ref, text, life):
                await sides.put(ref, text, expires_at=life if life == NEVER else sides.clock.now() + life)
            case ("hide", ref):
                await sides.put(ref, "hidden", indexed=False)
            case ("delete", ref):
                await sides.delete(ref)
            case ("extend", ref):
                row = await sides.row(ref)
                if row is not None and not row.deleted and sides.clock.now() < row.expires_at < NEVER and row.index_spec == "":
                    await sides.extend(ref, row.expires_at + HOUR)
            case ("lose the row", ref):
                await sides.sql("DELETE FROM documents WHERE key = ?", ref.key)
            case ("handle",):
                await sides.handle()
            case ("wait", seconds):
                sides.time.forward(seconds)
            case _:
                await sides.index._client.call(lambda raw: self._damage(Damage(raw, COLLECTION), action))
        sides.time.forward(0.001)

    async def _damage(self, damage: Damage, action: Sequence[Any]) -> None:
        match action:
            case ("lose", ref, passage):
                await damage.lose(ref, passage)
            case ("age", ref, passage):
                if await damage.holds(ref, passage):
                    await damage.change(ref, {"revision": 7}, passage)
            case ("other", ref, payload):
                if await damage.holds(ref):
                    await damage.change(ref, payload)
            case ("keep a copy", ref):
                self.copy = await damage.find(ref, 2)
            case ("restore the copy",):
                await damage.put_back(self.copy)
            case ("stranger", ref):
                await damage.orphan(STRANGER, ref, passages=len(await damage.find(ref, 1)), revision=7)
            case _:
                raise AssertionError(action)

    async def difference(self) -> dict[Ref, tuple[DriftKind, int]]:
        """What is different now, document by document, and since when."""
        held: dict[Ref, list[Held]] = {ref: [] for ref in (*KEYS, STRANGER)}
        by_id = {ref.document: ref for ref in held}
        async for block in self.sides.index.scan(0, 4095):
            for place in range(len(block)):
                held[by_id[document_of(block.documents[place])]].append(_held(block, place))
        rows = {ref: await self.sides.row(ref) for ref in held}
        heads = {
            ref: None if row is None else Head(0, row.revision, row.content_hash, row.expires_at, row.deleted, row.index_spec != "false")
            for ref, row in rows.items()
        }
        now, model = self.sides.clock.now(), self.sides.index.model
        found = {ref: oracle(heads[ref], points, now=now, model=model) for ref, points in held.items()}
        return {ref: (kind, oracle_since(heads[ref], held[ref])) for ref, kind in found.items() if kind is not None}


def _held(block: Any, place: int) -> Held:
    return Held(
        passage=int(block.passage[place]),
        passages=int(block.passages[place]),
        revision=int(block.revisions[place]),
        content=block.content_hashes[place].astype(">u8").tobytes(),
        expires_at=int(block.expires_at[place]),
        mark=MARKS[block.marks[place]],
        model=block.models[place],
    )


async def no_time(_seconds: float) -> None:
    """So that nothing expires between the report and the difference."""


async def live_and_check(actions: Sequence[Sequence[Any]]) -> None:
    async with TwoSides.open(Path(), index=":memory:", database=":memory:") as sides:
        life = Life(sides)
        for action in actions:
            await life.live(action)
        await expect_nothing_in_flight(life)
        await sides.handle()
        sides.time.forward(60)
        await expect_the_difference_then_repair_it(life)


async def expect_nothing_in_flight(life: Life) -> None:
    sides = life.sides
    report = await sides.reconciler(sleep=no_time).check()
    horizon = await read_horizon(sides.engine, sides.clock, Settle(5_000_000, 5_000_000))
    flying = await in_flight(sides.engine, sides.clock, [*KEYS, STRANGER])
    assert not {finding.ref for finding in report.findings} & flying
    old = {ref.key: kind for ref, (kind, since) in (await life.difference()).items() if since < horizon.before and ref not in flying}
    if report.refused is None:
        assert kinds(report) == old


async def expect_the_difference_then_repair_it(life: Life) -> None:
    sides = life.sides
    report = await sides.reconciler(sleep=no_time).check()
    difference = {ref.key: kind for ref, (kind, _) in (await life.difference()).items()}
    if report.refused is not None:  # an empty source, and nothing but orphans
        assert set(difference.values()) == {DriftKind.ORPHAN}
        return
    assert (kinds(report), report.young) == (difference, 0)
    repaired = await sides.reconciler().repair(report)
    assert repaired.repaired == len(difference)
    await sides.handle()
    sides.time.forward(60)
    left = await sides.reconciler(sleep=no_time).check(sample=1.0)
    assert (left.verdict, left.findings, left.young) == (Verdict.IN_STEP, (), 0)


@settings(max_examples=60, deadline=None)
@given(actions=st.lists(ACTIONS, min_size=3, max_size=14))
def test_the_report_is_the_difference_and_repair_ends_it(actions: list[tuple[Any, ...]]) -> None:
    asyncio.run(live_and_check(actions))
